"""Addresses that a person typed, on a machine that others share: a Space asks public hosts only.

Names are resolved here and the request goes to the address that was looked at, so a name can't turn to another one in
between. Used by whatever sends a request to a host that the page names.
"""

import ipaddress
import socket
from typing import Any

from engine.errors import UserError

WITHIN_IPV6 = tuple(
    map(ipaddress.ip_network, ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, reserved or multicast.

    IPv6 addresses that carry an IPv4 one inside are not.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    carries = parsed.version == 6 and any(parsed in network for network in WITHIN_IPV6)
    return parsed.is_global and not (parsed.is_multicast or carries)


def is_private_name(host: str) -> bool:
    """Whether a host is this machine's or this network's by its very name: known without asking anybody."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public(host)
    except ValueError:
        return False


def public_address(host: str) -> str:
    """The IP address to connect to. Raises UserError when the name is unknown or leads, even in part, to another
    place than the public internet.
    """
    try:
        found = [info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise UserError(f"There is no host named {host}.", "Check the address for a typing mistake.") from error
    if not all(map(is_public, found)):
        raise UserError(
            f"{host} is not on the public internet, and a Space asks no other host.",
            "Use a provider that is, or run Annotune on your own machine.",
        )
    return found[0]


def pin(request: Any) -> None:
    """Send an httpx request to the address that its host has now, if that is public. For a client's request hooks."""
    host = request.url.host
    request.extensions = request.extensions | {"sni_hostname": host}  # certificates are still the name's
    request.url = request.url.copy_with(host=public_address(host))
