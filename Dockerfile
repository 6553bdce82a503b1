# The app for people who log in (docs/hosting.md). Made and checked by its names, ports and commands; never built here.
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 mvmlm && mkdir /data && chown mvmlm /data
WORKDIR /app
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY mvmlm mvmlm
RUN pip install --no-cache-dir -r requirements.txt ".[pacs]"
COPY app.py ./
COPY app app
COPY assets assets

USER mvmlm
ENV MVMLM_MODE=server MVMLM_DATA=/data GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:7860/healthz', timeout=5)"]
CMD ["python", "app.py"]
