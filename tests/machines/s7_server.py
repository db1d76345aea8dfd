"""A Siemens controller by python-snap7: `s7_server.py PORT [PDU]`. Commands: put|OCTET|HEX (into DB1), get|OCTET|COUNT.

DB1 has 200 octets, DB2 has 16, DB4 600 and there is no DB3. It listens on loopback only. With a PDU length it answers
and takes no more than that, as controllers do and python-snap7's server does not. `put4|OCTET|HEX` puts into DB4.
"""

import asyncio
import logging
import sys

from commands import serve_commands
from snap7.server import Server
from snap7.type import SrvArea


class SmallServer(Server):
    """A controller that keeps to the PDU length it agreed to."""

    length = 480

    def _handle_setup_communication(self, request):
        request.setdefault("parameters", {})["pdu_length"] = self.length
        return super()._handle_setup_communication(request)

    def _process_request(self, request_data, client_address):
        answer = super()._process_request(request_data, client_address)
        if answer is not None and max(len(answer), len(request_data)) > self.length:
            return self._build_error_response(self._parse_request(request_data), 0x8500)
        return answer


async def main(port, length=480):
    logging.disable(logging.CRITICAL)
    SmallServer.length = length
    server = SmallServer(log=False)
    fourth = bytearray(600)
    server.register_area(SrvArea.DB, 4, fourth)
    first, second, flags = bytearray(200), bytearray(16), bytearray(32)
    server.register_area(SrvArea.DB, 1, first)
    server.register_area(SrvArea.DB, 2, second)
    server.register_area(SrvArea.MK, 0, flags)
    server.start_to("127.0.0.1", port)

    def act(verb, octet, word):
        at = int(octet)
        if verb in ("put", "put4"):
            octets = bytes.fromhex(word)
            (first if verb == "put" else fourth)[at : at + len(octets)] = octets
        else:
            print(bytes(first[at : at + int(word)]).hex(), flush=True)

    await serve_commands(act)
    server.stop()


asyncio.run(main(*map(int, sys.argv[1:])))
