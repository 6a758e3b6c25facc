"""One local AWS: starts it, answers requests about it, and ends it when its standard input ends.

    python local_aws.py DIRECTORY [ministack | moto]

Requests and answers are one JSON object a line: {"id": 1, "do": "call", ...} and {"id": 1, "ok": ...} or {"id": 1, "error":
"..."}. The first line out, without a request, is {"endpoint": "http://127.0.0.1:PORT"} or {"error": "..."}. Whatever ends the
parent also closes the pipe, so no local AWS is ever left behind.
"""

import concurrent.futures
import datetime
import decimal
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import boto3
import botocore.config

import deploy

REGION = "eu-west-2"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
output = threading.Lock()


def plain(value):
    """What boto3 answers and JSON does not know."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    return str(value)


def answer(message):
    line = json.dumps(message, default=plain)
    with output:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What is run, and the address that answers once it is ready. Only ministack runs functions and deploys templates.
SERVERS = {
    "ministack": (lambda port: ["-m", "ministack"], "/_ministack/health"),
    "moto": (lambda port: ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], "/moto-api/data.json"),
}


class LocalAws:
    """The server process and clients for it."""

    def __init__(self, directory, kind="ministack"):
        self.kind = kind
        self.command, self.health = SERVERS[kind]
        self.directory = pathlib.Path(directory).absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clients = {}
        self.lock = threading.Lock()
        self.server = None
        self.endpoint = None

    def start(self):
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        log = open(self.directory / f"{self.kind}.log", "ab")
        # Another process may take the port between asking for it and using it: then once more.
        for _ in range(5):
            port = free_port()
            self.endpoint = f"http://127.0.0.1:{port}"
            environment = {
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": str(scratch),
                "TMPDIR": str(scratch),
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "MINISTACK_REGION": REGION,
                "AWS_ENDPOINT_URL": self.endpoint,
                "RUST_BACKTRACE": "1",
                **KEYS,
            }
            if os.environ.get("PRIMA_MIRAKL_LOCAL_AWS_LOG"):
                environment["LOG_LEVEL"] = os.environ["PRIMA_MIRAKL_LOCAL_AWS_LOG"]
            self.server = subprocess.Popen(
                [sys.executable, *self.command(port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=scratch,
                start_new_session=True,
            )
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and self.server.poll() is None:
                try:
                    with urllib.request.urlopen(self.endpoint + self.health, timeout=2):
                        return
                except OSError:
                    time.sleep(0.05)
            self.stop()
        raise RuntimeError(f"the local AWS did not start: see {self.directory / f'{self.kind}.log'}")

    def stop(self):
        """Ends the server with everything it started, functions included."""
        if self.server is None:
            return
        for group in family(self.server.pid):
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                pass
        self.server.wait()
        self.server = None
        shutil.rmtree(self.directory / "scratch", ignore_errors=True)

    def client(self, service):
        with self.lock:
            if service not in self.clients:
                self.clients[service] = boto3.client(
                    service, endpoint_url=self.endpoint, region_name=REGION,
                    aws_access_key_id="test", aws_secret_access_key="test",
                    config=botocore.config.Config(
                        read_timeout=900, max_pool_connections=50, retries={"max_attempts": 1}, proxies={},
                        s3={"addressing_style": "path"},
                    ),
                )
            return self.clients[service]

    def handle(self, request):
        action = request["do"]
        if action == "call":
            result = getattr(self.client(request["service"]), request["operation"])(**request.get("parameters", {}))
            result.pop("ResponseMetadata", None)
            return result
        if action == "deploy":
            return deploy.deploy(self.client, request)
        raise ValueError(f"unknown request: {action}")


def family(pid):
    """The process groups of a process and of all its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append((int(entry.name), int(fields[2])))
    groups, waiting = {pid}, [pid]
    while waiting:
        for child, group in parents.get(waiting.pop(), []):
            groups.add(group)
            waiting.append(child)
    groups.discard(os.getpgrp())
    return groups


def serve(aws):
    def work(request):
        try:
            answer({"id": request["id"], "ok": aws.handle(request)})
        except Exception as problem:  # whatever it is, the one who asked has to hear it
            answer({"id": request["id"], "error": f"{type(problem).__name__}: {problem}"})

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for line in sys.stdin:
            pool.submit(work, json.loads(line))
        # Nobody is left to read answers: end the server first, so that no request goes on waiting for it.
        aws.stop()


def main():
    # Ctrl-C reaches the whole terminal group; the parent decides when to end, by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    aws = LocalAws(*sys.argv[1:])
    try:
        try:
            aws.start()
        except Exception as problem:
            answer({"error": str(problem)})
            return
        answer({"endpoint": aws.endpoint, "server": aws.server.pid})
        serve(aws)
    except BrokenPipeError:
        pass
    finally:
        aws.stop()


main()
