# One image for all services: the command selects one. Dependencies are those of requirements.lock, by hash.
FROM python:3.12.12-slim-trixie AS installed
COPY requirements.lock /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r /tmp/requirements.lock

FROM python:3.12.12-slim-trixie
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin website
COPY --from=installed /opt/venv /opt/venv
WORKDIR /app
COPY *.py ./
COPY clients clients
COPY leaderboard leaderboard
COPY operators operators
COPY ops ops
COPY oracle oracle
COPY partition partition
COPY process process
COPY simulate simulate
COPY sinks sinks
COPY sources sources
RUN /opt/venv/bin/python -m compileall -q /opt/venv/lib /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
USER website
CMD ["python", "-m", "bytewax.run", "dataflow:flow", "-w", "4"]
