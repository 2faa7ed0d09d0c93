# syntax=docker/dockerfile:1
# Two stages: the first builds the wheel and installs it with the locked versions, the second runs it.
# How to run it, with serial ports and secrets: docs/deployment.md.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY bdgw ./bdgw
COPY firmware-sim ./firmware-sim
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && python -m venv /opt/bdgw \
    && /opt/bdgw/bin/python -m pip install --no-cache-dir --constraint requirements.lock /wheel/*.whl

FROM python:3.11-slim-bookworm
# Serial ports belong to the group dialout on Debian; elsewhere give the host's group with --group-add.
RUN groupadd --gid 10001 bdgw \
    && useradd --uid 10001 --gid bdgw --groups dialout --no-create-home --home-dir /var/lib/bdgw --shell /usr/sbin/nologin bdgw \
    && install --directory --owner bdgw --group bdgw --mode 0750 /var/lib/bdgw
COPY --from=build /opt/bdgw /opt/bdgw
ENV PATH=/opt/bdgw/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BDGW_HEALTH_URL=http://127.0.0.1:8080/healthz
USER 10001
WORKDIR /var/lib/bdgw
VOLUME ["/var/lib/bdgw"]
STOPSIGNAL SIGTERM
# Needs an [api] section that listens where BDGW_HEALTH_URL says. 503 and no answer are failures.
# The empty ProxyHandler keeps a proxy of the environment out of it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(os.environ['BDGW_HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["bdgw"]
CMD ["run", "-c", "/etc/bdgw/bdgw.toml"]
