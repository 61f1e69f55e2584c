"""How two members make sure of each other, and how what they send is protected, as bytes.

    ->  magic, flags, SHA-256 of the cluster's name, sender's id, receiver's id, nonce    (HELLO)
    <-  magic, flags, nonce, HMAC("server", both)                                         (ANSWER)
    ->  HMAC("client", both)                                                              (PROOF)
    ->  frames: length, payload, and with a secret, a MAC of counter and payload

All HMACs are SHA-256 with the shared secret; the frames' key is one more of them, over both nonces, so
that it is another for each connection. What one side says can't be given back to it: the labels differ.
So both sides know that the other has the secret and means this connection, between these two members
of this cluster. Frames can't be changed, left out, repeated or reordered without being noticed. They
can be read: secrecy takes TLS. Every holder of the secret can pass for any member.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from typing import Final

MAGIC: Final = b"lrt1"
AUTHENTICATED: Final = 1
NONCE_BYTES: Final = 32
MAC_BYTES: Final = 32
FRAME_MAC_BYTES: Final = 16

_HELLO: Final = struct.Struct(f">4sB32sQQ{NONCE_BYTES}s")
_ANSWER: Final = struct.Struct(f">4sB{NONCE_BYTES}s{MAC_BYTES}s")
HELLO_BYTES: Final = _HELLO.size
ANSWER_BYTES: Final = _ANSWER.size
PROOF_BYTES: Final = MAC_BYTES
LENGTH: Final = struct.Struct(">I")
_COUNTER: Final = struct.Struct(">Q")


class Refused(Exception):
    """The other side is none that this one talks to. Says why, in a word."""


class Identity:
    """Who this member is, and what it wants of the others."""

    def __init__(self, node: int, cluster: str, secret: bytes | None) -> None:
        self.node = node
        self.cluster = hashlib.sha256(cluster.encode()).digest()
        self.secret = secret
        self.flags = AUTHENTICATED if secret is not None else 0

    def mac(self, label: bytes, transcript: bytes) -> bytes:
        """What only a holder of the secret can say; zeros if there is none."""
        if self.secret is None:
            return bytes(MAC_BYTES)
        return hmac.digest(self.secret, label + transcript, "sha256")


class Client:
    """The side that connects, and sends."""

    def __init__(self, identity: Identity, peer: int) -> None:
        self.identity = identity
        nonce = secrets.token_bytes(NONCE_BYTES)
        self.hello = _HELLO.pack(MAGIC, identity.flags, identity.cluster, identity.node, peer, nonce)
        self.key = b""

    def on_answer(self, answer: bytes) -> bytes:
        """Checks the server, and gives the proof. Raises Refused."""
        magic, flags, nonce, mac = _ANSWER.unpack(answer)
        _same(magic == MAGIC, "magic")
        _same(flags == self.identity.flags, "secret")
        transcript = self.hello + nonce
        _same(hmac.compare_digest(mac, self.identity.mac(b"server", transcript)), "secret")
        self.key = self.identity.mac(b"frames", transcript)
        return self.identity.mac(b"client", transcript)


class Server:
    """The side that listens."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.peer = 0
        self.key = b""
        self._transcript = b""

    def on_hello(self, hello: bytes) -> bytes:
        """Checks what the client wants, and gives the answer. Raises Refused."""
        magic, flags, cluster, sender, receiver, _ = _HELLO.unpack(hello)
        _same(magic == MAGIC, "magic")
        _same(cluster == self.identity.cluster, "cluster")
        _same(receiver == self.identity.node and sender != receiver and sender != 0, "id")
        _same(flags == self.identity.flags, "secret")
        nonce = secrets.token_bytes(NONCE_BYTES)
        self.peer = sender
        self._transcript = hello + nonce
        return _ANSWER.pack(MAGIC, flags, nonce, self.identity.mac(b"server", self._transcript))

    def on_proof(self, proof: bytes) -> None:
        """Raises Refused, or the client is who it says."""
        _same(hmac.compare_digest(proof, self.identity.mac(b"client", self._transcript)), "secret")
        self.key = self.identity.mac(b"frames", self._transcript)


class Seal:
    """The MACs of one connection's frames, in their order."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0

    def next(self, payload: bytes) -> bytes:
        """That of the next frame."""
        mac = hmac.digest(self._key, _COUNTER.pack(self._count) + payload, "sha256")
        self._count += 1
        return mac[:FRAME_MAC_BYTES]

    def matches(self, mac: bytes, payload: bytes) -> bool:
        """Whether this is the MAC of the next frame."""
        return hmac.compare_digest(mac, self.next(payload))


def _same(is_same: bool, what: str) -> None:
    if not is_same:
        raise Refused(what)
