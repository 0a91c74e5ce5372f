"""Connections to public addresses alone: a name that somebody else chose must not lead into our own network.

The name is looked up once, every answer is checked, and the connection goes to an address that was checked: whoever
answers differently the next time (DNS rebinding) gains nothing. TLS goes on proving the name.
"""

import ipaddress
import socket

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool


class NotPublic(Exception):
    """The name leads to an address that is private, loopback, link-local or reserved."""


class _Connection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        """Connect to the first of the checked addresses that answers."""
        name = self._dns_host
        addresses = checked(name, self.port)
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                try:
                    return super()._new_conn()
                except urllib3.exceptions.HTTPError:
                    continue
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = name


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


def adapter() -> HTTPAdapter:
    """Sends requests by https, to public addresses alone. Raises NotPublic."""
    sender = HTTPAdapter(max_retries=0)
    sender.poolmanager.pool_classes_by_scheme = {"https": _Pool}
    return sender


def checked(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises NotPublic where one of them is not, OSError where it has none."""
    found = list(dict.fromkeys(str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    for address in found:
        if not is_public(address):
            raise NotPublic(f"{host} leads into a private network: nothing is sent there.")
    return found


def is_public(address: str) -> bool:
    """Whether it may be reached from anywhere. One that holds an IPv4 address is judged by that one."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.is_site_local or ip.is_reserved:
            return False  # Python takes the oldest kinds of private addresses, and other translated ones, for global.
    return ip.is_global and not ip.is_multicast


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
