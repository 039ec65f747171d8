from setuptools import find_packages, setup

setup(packages=["pluggably", *(f"pluggably.{name}" for name in find_packages("src"))])
