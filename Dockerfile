# One image for the web server and the worker. .ci/run executes the same commands without a container engine
# (tests/image_commands.py), since none is at hand there.

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt .
# Wheels only, each checked by its hash: nothing is compiled and no setup script runs.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin lpxgp
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# Throw-away values: collectstatic needs settings that load, and the image keeps none of them.
RUN SECRET_KEY=only-for-collectstatic-0123456789-0123456789-0123456789 \
    TOKEN_ENCRYPTION_KEY=b25seS1mb3ItY29sbGVjdHN0YXRpYy0tLS0tLS0tLS0= \
    PUBLIC_URL=https://build.invalid ALLOWED_HOSTS=build.invalid \
    python manage.py collectstatic --noinput
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["gunicorn", "lpxgp.wsgi"]
