"""Exports that can be checked without the gateway, and the check; `docs/audit.md` describes every byte."""
