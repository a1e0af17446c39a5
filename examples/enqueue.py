"""Enqueues jobs of the shop without Rust, as docs/protocol.md says: one, a block of many, and one that waits and is one
of its kind. Prints their ids.

    MILLGATE=target/debug/millgate python3 examples/enqueue.py

MILLGATE is the program that knows the script; MILLGATE_REDIS_URL and MILLGATE_REDIS_PREFIX are as it has them.
"""

import json
import os
import socket
import subprocess
import time
from urllib.parse import urlsplit

PARTS = """jobs past blocks rows delayed claims leases dead done stops seen unique cancelled cancels counts settings
           seq beat wake lanes held fair tags index batches schedules""".split()
PARTS += [*(f"wait{priority}" for priority in range(10)), "answers", "watermarks"]
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Redis:
    """A connection that knows as much of RESP as this takes; a client of your own does as well."""

    def __init__(self, url):
        at = urlsplit(url)
        self.stream = socket.create_connection((at.hostname, at.port or 6379)).makefile("rwb")
        if at.password:
            self.call("AUTH", at.username or "default", at.password)
        self.call("SELECT", at.path.strip("/") or 0)

    def call(self, *words):
        words = [str(word).encode() for word in words]
        self.stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        self.stream.flush()
        kind, rest = self.stream.read(1), self.stream.readline()[:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b"$":
            rest = self.stream.read(int(rest) + 2)[:-2].decode()
        return rest


class Queue:
    """One queue of a millgate."""

    def __init__(self, redis, prefix, name):
        millgate = os.environ.get("MILLGATE", "millgate")
        script = subprocess.check_output([millgate, "jobs", "script", "enqueue"], text=True)
        self.redis, self.sha = redis, redis.call("SCRIPT", "LOAD", script)
        self.keys = [f"{{{prefix}:{name}}}:{part}" for part in PARTS]
        self.producer, self.number = f"python-{os.getpid()}-{time.time_ns()}", 0

    def enqueue(self, kind, mode, many, *values):
        """One word a job. Made again under its number, as after a lost answer, a call would change nothing."""
        self.number += 1
        call = [len(self.keys), *self.keys, 0, f"{self.producer} {self.number}", 600_000, kind, mode, many, *values]
        return self.redis.call("EVALSHA", self.sha, *call).split(" ")

    def one(self, kind, arguments, priority=5):
        return self.enqueue(kind, priority, 1, f"{kind}\n{line(arguments)}")[0]

    def block(self, kind, all_arguments, priority=5):
        text = "\n".join([kind, *map(line, all_arguments)])
        block = self.enqueue(kind, f"b{priority}", len(all_arguments), text, len(kind.encode()) + 2)[0]
        return [f"{block[:11]}{DIGITS[n // 36]}{DIGITS[n % 36]}{block[11]}" for n in range(len(all_arguments))]

    def with_options(self, kind, arguments, **options):
        return self.enqueue(kind, "+", 1, f"+{line({'p': 5, **options})}\n{kind}\n{line(arguments)}")[0]


def line(value):
    # One line: in JSON a line feed within a text is written as \n, and a tab as \t.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def news(number):
    return {"to": f"reader-{number}@mail.example", "subject": "Grüße", "body": "Two\nlines,\tone tab."}


def main():
    redis = Redis(os.environ.get("MILLGATE_REDIS_URL", "redis://127.0.0.1:16379/0"))
    email = Queue(redis, os.environ.get("MILLGATE_REDIS_PREFIX", "millgate"), "email")
    print("one:", email.one("notification-email", news(0)))
    print("block:", *email.block("notification-email", [news(number) for number in range(1, 41)]))
    reminder = {"order_id": "order-7", "to": "ada@mail.example", "name": "Ada"}
    now = int(time.time() * 1000)
    options = {"d": 24 * 60 * 60 * 1000, "u": "reminder-email:order-7", "e": now, "x": ["order=order-7"]}
    print("delayed:", email.with_options("reminder-email", reminder, **options))
    # The same key again: a tilde, and the id of the job that holds it.
    print("again:", email.with_options("reminder-email", reminder, **options))


if __name__ == "__main__":
    main()
