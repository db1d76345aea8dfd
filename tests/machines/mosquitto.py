"""The mosquitto broker of Debian on loopback, where it is installed: plain, or with users and TLS."""

import os
import signal
import socket
import subprocess
import time

from machines.peers import program
from machines.running import free_port

PLAIN = ("persistence false", "set_tcp_nodelay true", "max_queued_messages 0", "log_type error")


class Mosquitto:
    """A broker process: frozen, thawed, stopped, started again on the same port."""

    def __init__(self, folder, *lines, users=None, tls=None):
        self.port = free_port()
        self.file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", *PLAIN, *lines, f"allow_anonymous {'false' if users else 'true'}"]
        if users:
            passwords = folder / "passwords"
            passwords.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
            subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"cafile {tls}/ca.pem", f"certfile {tls}/server.pem", f"keyfile {tls}/server.key"]
        self.file.write_text("\n".join([*lines, f"user {os.environ.get('USER') or 'root'}", ""]))
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [program("mosquitto"), "-c", str(self.file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, "mosquitto has ended"
                assert time.monotonic() < deadline, "mosquitto did not answer in time"
            else:
                return

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            self.thaw()
            self.process.kill()
        self.process.wait(30)
