"""A real nginx with the configuration of `deploy/nginx`, on a free port and without TLS."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.ports import free_port

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "nginx" / "pluggably.conf"
START_LIMIT_S = 30
_MAIN = """\
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
events {{}}
http {{
    access_log off;
    {temporary}
    include {folder}/pluggably.conf;
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """Owns the process; `folder` has its files."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "pluggably.conf").write_text(self._configuration(ports))
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(f"{it}_temp_path {folder}/{it};" for it in _TEMPORARY)
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user, temporary=temporary))

    def _configuration(self, ports: list[int]) -> str:
        """Ours, but for the addresses and the certificates."""
        text = CONFIGURATION.read_text().partition("\nserver {\n    listen 80;")[0]
        servers = "\n".join(f"    server 127.0.0.1:{port} max_fails=0;" for port in ports)
        text, named = re.subn(r"^    server 127\.0\.0\.1:8080 max_fails=0;$", servers, text, flags=re.MULTILINE)
        text, listens = re.subn(r"^    listen 443 ssl http2;$", f"    listen 127.0.0.1:{self.port};", text, flags=re.M)
        assert (named, listens) == (1, 1)
        return re.sub(r"^    ssl_\w+ .*;$", "", text, flags=re.MULTILINE)

    def __enter__(self) -> "Nginx":
        binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert binary, "nginx is not installed"
        command = [binary, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise AssertionError(f"nginx did not start:\n{(self.folder / 'log').read_text()}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
