"""Names of hosts: one spelling for each, and the domain that somebody registered."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import unquote

import idna
import pyarrow as pa
from publicsuffixlist import PublicSuffixList


def canonical_host(host: str) -> str:
    """The ASCII spelling of a host: lower case, punycode, no escapes, IPv6 in short form.

    Names as UTS 46 maps them (``BÜCHER.example`` -> ``xn--bcher-kva.example``); what is no valid
    name is only put into lower case.
    """
    name = unquote(host).rstrip(".")
    if name.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(name.strip('[]')).compressed}]"
        except ValueError:
            return name.lower()
    if name.isascii():
        return name.lower()
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return name.lower()


@lru_cache(maxsize=2)
def _suffixes(private: bool) -> PublicSuffixList:
    return PublicSuffixList(only_icann=not private)


def registered_domain(host: str, private: bool = False) -> str:
    """The name somebody registered, by the Public Suffix List (publicsuffix.org).

    ``news.bbc.co.uk`` -> ``bbc.co.uk``. With ``private`` the suffixes that companies give out count
    as well: ``user.github.io`` stays whole. Addresses, single labels and public suffixes are
    returned as they are.
    """
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        return host
    return _suffixes(private).privatesuffix(host) or host


def registered_domains(hosts: pa.Array | pa.ChunkedArray, private: bool = False) -> pa.Array:
    """:func:`registered_domain` of a column of hosts (nulls stay null)."""
    if isinstance(hosts, pa.ChunkedArray):
        hosts = hosts.combine_chunks()
    coded = hosts.dictionary_encode()
    names = [registered_domain(host, private) for host in coded.dictionary.to_pylist()]
    return pa.array(names, hosts.type).take(coded.indices)
