"""A real nginx in front of a running registry: TLS or plain, with blobs sent by nginx itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template

import pytest

from stackgen.env_file import read_settings
from stackgen.planning import PlanInputs, plan_stack
from tests.serving import RunningRegistry, free_port

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# What the stack's nginx does for blobs, over plain HTTP and with paths of the test.
CONFIGURATION = Template(
    """\
daemon off;
$user
worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/error.log warn;
events { worker_connections 512; }
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    sendfile on;
    upstream registry { server 127.0.0.1:$upstream; keepalive 16; }
    server {
        listen 127.0.0.1:$port;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $$http_host;
        proxy_set_header X-Forwarded-For $$remote_addr;
        proxy_set_header X-Forwarded-Proto $$scheme;
        proxy_set_header X-Forwarded-Host $$http_host;
        proxy_request_buffering off;
        proxy_max_temp_file_size 0;
        location / { proxy_pass http://registry; }
$blobs
    }
}
"""
)


def blob_locations(blobs: Path) -> str:
    """The locations for blobs of the configuration that every stack gets, with the path of a test's tree."""
    settings = read_settings("SERVICE_DOMAIN=localhost\n").settings
    assert settings is not None
    text = plan_stack(PlanInputs(settings)).file("nginx/nginx.conf").content.decode()
    names = ("/_blobs/", "@gone", "@unreadable")
    found = [
        re.search(rf"^        location {name} \{{.*?^        \}}\n", text, re.DOTALL | re.MULTILINE) for name in names
    ]
    return re.sub("alias .*;", f"alias {blobs}/;", "".join(one[0] for one in found if one))


@contextmanager
def nginx_in_front(registry: RunningRegistry, folder: Path):
    """A RunningRegistry whose port is that of an nginx before the given one."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    blobs = blob_locations(registry.root / "docker/registry/v2/blobs")
    values = {
        "folder": folder,
        "port": port,
        "upstream": registry.port,
        "blobs": blobs,
        "user": "user root;" if os.geteuid() == 0 else "",
    }
    (folder / "nginx.conf").write_text(CONFIGURATION.substitute(values))
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    front = RunningRegistry(
        port, registry.debug_port, registry.root, registry.log, registry.process, registry.user, registry.password
    )
    try:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            with suppress(OSError):
                if front.request("GET", "/healthz").status == 200:
                    break
            time.sleep(0.05)
        yield front
    finally:
        process.terminate()
        process.wait(5)
