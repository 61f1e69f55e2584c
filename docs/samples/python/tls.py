"""Members that show certificates to each other."""

import asyncio
import ssl
import subprocess
import tempfile
from pathlib import Path

from libraft.replicated import Cluster, ReplicatedDict


def make_certificates(home: Path) -> None:
    """An authority, and one member's certificate."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
    authority = "-keyout ca.key -out ca.pem -subj /CN=authority -addext keyUsage=critical,keyCertSign".split()
    member = "-CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem -subj /CN=member".split()
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    for arguments in ([*authority, "-addext", "basicConstraints=critical,CA:TRUE"], [*member, *names]):
        subprocess.run(["openssl", "req", "-x509", *key, *arguments], cwd=home, check=True, capture_output=True)


async def main(home: Path) -> None:
    values = ReplicatedDict()
    address, peers, data = "127.0.0.1:24902", (), home / "data"
    # --8<-- [start:tls]
    incoming = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outgoing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (incoming, outgoing):
        context.load_cert_chain(home / "cert.pem", home / "key.pem")
        context.load_verify_locations(home / "ca.pem")
    incoming.verify_mode = ssl.CERT_REQUIRED
    async with Cluster(address, peers, objects=[values], data=data, tls=(incoming, outgoing)):
        await values.set("key", "value")
    # --8<-- [end:tls]
    print(dict(values.local))


with tempfile.TemporaryDirectory() as directory:
    make_certificates(Path(directory))
    asyncio.run(main(Path(directory)))
