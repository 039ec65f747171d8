# The service as an image, without torch (GGUF models run on llama.cpp). With every engine: --build-arg EXTRAS=all.
# See docs/deploy-cloud.md.
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=hub,postgres,s3
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python3 -m venv /opt/pluggably
COPY pyproject.toml setup.py constraints.txt README.md LICENSE ./
COPY src src
RUN /opt/pluggably/bin/python -m pip install --constraint constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
# llama.cpp computes on several threads by it. Not pinned: Debian keeps no older version of a security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 pluggably \
    && useradd --uid 10001 --gid pluggably --home-dir /data --no-create-home --shell /usr/sbin/nologin pluggably \
    && install --directory --owner pluggably --group pluggably --mode 0700 /data
COPY --from=build /opt/pluggably /opt/pluggably
# Everything that is written is in /data and /tmp: the rest may be read-only. From outside of the container it is asked
# on all addresses, so that the service insists on access.methods.
ENV PATH=/opt/pluggably/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PLUGGABLY_DATA_DIR=/data \
    PLUGGABLY_SERVER__HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health/live', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["pluggably"]
CMD ["serve"]
