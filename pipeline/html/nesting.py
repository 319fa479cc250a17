"""Which open elements a tag ends, from the innermost open element of every name.

Nothing here walks the open elements, so that no page can make it slow.
"""

from __future__ import annotations

from filters.jit import inner
from pipeline.html.tags import (
    CLOSES_P,
    HEADING,
    IN_HEAD,
    ITEM_BOUNDS,
    LOOSE,
    LOOSE_BOUNDS,
    SCOPE,
    SPECIAL,
    SPECIALS,
    TERM_BOUNDS,
    ids,
    numbers,
)

_HTML, _HEAD, _BODY, _A, _P, _HR = ids("html head body a p hr")
_LI, _DD, _DT, _TABLE, _TR, _TD, _TH = ids("li dd dt table tr td th")
_SELECT, _OPTION, _OPTGROUP, _BUTTON, _NOSCRIPT = ids("select option optgroup button noscript")
_SECTIONS = numbers("thead tbody tfoot caption colgroup")
_ROWS = numbers("tr thead tbody tfoot caption colgroup td th")
_CELLS = numbers("td th caption")
_IN_TABLE = numbers("table thead tbody tfoot tr")
_HEADINGS = numbers("h1 h2 h3 h4 h5 h6")
_RUBY_PARTS = numbers("rb rt rp rtc")
_LISTS = numbers("ul ol")
_CLOSES_SELECT = numbers("input textarea keygen select")


@inner
def closed_by_start(name, flag, current, flags, tag, last):
    """Outermost open element that a start tag ends, or -1."""
    if last[_HEAD] > last[_NOSCRIPT] and not flag & IN_HEAD:
        return last[_HEAD]
    here = tag[current] if current >= 0 else 0
    table = last[_TABLE]
    if name in (_TD, _TH):
        cell = highest(last, _CELLS)
        return cell if cell > table else -1
    if name == _TR:
        row = last[_TR] if last[_TR] > table else highest(last, _CELLS)
        return row if row > table else -1
    if _is_one_of(name, _SECTIONS):
        return lowest_above(last, _ROWS, table)
    if flag & CLOSES_P:
        scope = highest(last, SCOPE)
        if name == _TABLE and _is_one_of(here, _IN_TABLE):
            return table
        if last[_SELECT] > scope and name != _HR:
            return last[_SELECT]
        if name == _LI:
            if last[_LI] > highest(last, ITEM_BOUNDS):
                return last[_LI]
        elif name in (_DD, _DT):
            term = max(last[_DD], last[_DT])
            if term > highest(last, TERM_BOUNDS):
                return term
        if last[_P] > max(scope, last[_BUTTON]):
            return last[_P]
        return current if flag & HEADING and flags[here] & HEADING else -1
    if name == _A:
        return last[_A] if last[_A] > highest(last, SPECIALS) else -1
    if name in (_OPTION, _OPTGROUP):
        bound = max(last[_SELECT], highest(last, SCOPE))
        if name == _OPTGROUP and last[_OPTGROUP] > bound:
            return last[_OPTGROUP]
        return last[_OPTION] if last[_OPTION] > max(bound, last[_OPTGROUP]) else -1
    if name == _BUTTON:
        return last[_BUTTON] if last[_BUTTON] > highest(last, SCOPE) else -1
    if _is_one_of(name, _CLOSES_SELECT):
        return last[_SELECT] if last[_SELECT] > highest(last, SCOPE) else -1
    if _is_one_of(name, _RUBY_PARTS) and _is_one_of(here, _RUBY_PARTS):
        return current
    return -1


@inner
def closed_by_end(name, current, flags, tag, last):
    """Outermost open element that an end tag ends, or -1 where the end tag means nothing."""
    node = last[name]
    flag = flags[name] if name < 256 else 0
    if flag & HEADING:
        node = highest(last, _HEADINGS)
    if node < 0 or name in (_HTML, _BODY):
        return -1
    if node == current or name == _TABLE:
        return node
    if _is_one_of(name, _ROWS):
        bound = last[_TABLE]
    elif flag & LOOSE:
        bound = highest(last, LOOSE_BOUNDS)
    elif not flag & SPECIAL:
        bound = highest(last, SPECIALS)
    else:
        bound = highest(last, SCOPE)
        if name == _LI:
            bound = max(bound, highest(last, _LISTS))
        elif name == _P:
            bound = max(bound, last[_BUTTON])
    return node if node > bound else -1


@inner
def highest(last, group):
    """The innermost open element of a group of names, or -1."""
    found = -1
    for name in group:
        found = max(found, last[name])
    return found


@inner
def lowest_above(last, group, bound):
    """Of the innermost open elements of each name of a group, the outermost above a bound."""
    found = -1
    for name in group:
        if last[name] > bound and (found < 0 or last[name] < found):
            found = last[name]
    return found


@inner
def _is_one_of(name, group):
    found = False
    for other in group:
        found |= name == other
    return found
