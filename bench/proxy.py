"""The one nginx in front of every contender: the same TLS, the same proxying, a port each."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.workspace import Workspace

# As in the stack that stackgen renders; distribution's own documentation asks for the same of its proxies.
HEAD = """
{user}
worker_processes auto;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/octet-stream;
    server_tokens off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    aio threads;
    output_buffers 2 512k;
    keepalive_timeout 75s;
    keepalive_requests 1000000;
    client_body_timeout 300s;
    client_max_body_size 0;
    client_body_buffer_size 512k;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Request-Id $request_id;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_send_timeout 900s;
    proxy_read_timeout 900s;
"""
SERVER = """
    upstream app{port} {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name localhost;
        location / {{ proxy_pass http://app{port}; }}
        location /_blobs/ {{
            internal;
            alias {root}/docker/registry/v2/blobs/;
            open_file_cache off;
            etag off;
            add_header Cache-Control "max-age=31536000";
            add_header Docker-Content-Digest $upstream_http_docker_content_digest always;
            add_header Docker-Distribution-Api-Version $upstream_http_docker_distribution_api_version always;
            add_header ETag $upstream_http_etag always;
            add_header X-Content-Type-Options $upstream_http_x_content_type_options always;
            add_header X-Request-Id $request_id always;
        }}
    }}
"""
STATIC = """
    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name localhost;
        root {root}/docker/registry/v2/blobs;
    }}
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a contender listens, and the root of its store; no upstream: nginx serves the blobs' folder itself."""

    upstream: int | None
    root: Path


def render_configuration(workspace: Workspace, folder: Path, backends: Mapping[int, Backend]) -> str:
    """The configuration for contenders by public port."""
    # A master that root started gives its workers another user, who could not read the folders of this run.
    user = "user root;" if os.geteuid() == 0 else ""
    head = HEAD.format(user=user, folder=folder, certificate=workspace.certificate, key=workspace.key)
    servers = [
        STATIC.format(port=port, root=backend.root)
        if backend.upstream is None
        else SERVER.format(port=port, upstream=backend.upstream, root=backend.root)
        for port, backend in backends.items()
    ]
    return head + "".join(servers) + "}\n"


class Proxy:
    """A running nginx."""

    def __init__(self, workspace: Workspace, backends: Mapping[int, Backend]) -> None:
        folder = workspace.folder / "nginx"
        folder.mkdir(exist_ok=True)
        configuration = folder / "nginx.conf"
        configuration.write_text(render_configuration(workspace, folder, backends))
        self._process = subprocess.Popen(["nginx", "-p", folder, "-c", configuration, "-g", "daemon off;"])
        time.sleep(0.5)
        if self._process.poll() is not None:
            raise RuntimeError(f"nginx did not start: see {folder}/error.log")

    @property
    def pid(self) -> int:
        """The master's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Ends it at once."""
        self._process.terminate()
        self._process.wait(10)
