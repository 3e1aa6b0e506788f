"""Prompts for the demo: six kinds, written for it, expanded from templates.

Decides what is asked. How well the simulated models answer which kind is ``zoo``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt and what kind it is; only the simulation looks at the kind, never the router."""

    kind: str
    text: str


_NAMES = ("Ada", "Bruno", "Chioma", "Dilek", "Emil", "Farah", "Goran", "Hana")
_MATHS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "{who} buys {n} notebooks at {m} dollars each and pays with a 100 dollar note. How many dollars"
    " does {who} get back?": {"who": _NAMES, "n": ("3", "6", "7", "9"), "m": ("4", "8", "11")},
    "A train leaves at 9:{m} and travels {n} km at 80 km per hour. At what time does it arrive?": {
        "m": ("05", "10", "25", "40"),
        "n": ("120", "200", "360", "420"),
    },
    "What is the sum of all whole numbers from {n} to {m}?": {
        "n": ("1", "11", "25"),
        "m": ("60", "99", "140", "1000"),
    },
    "Solve for x: {n}x + {m} = {k}": {
        "n": ("3", "5", "7"),
        "m": ("4", "19"),
        "k": ("64", "89", "124"),
    },
    "{who} reads {n} pages on the first day and twice as many each day after. How many pages has"
    " {who} read after {m} days in total?": {
        "who": _NAMES,
        "n": ("5", "12"),
        "m": ("4", "5", "6"),
    },
    "Compute the derivative of f(x) = {n}x^{m} - {k}x and evaluate it at x = 2.": {
        "n": ("2", "4", "9"),
        "m": ("3", "4"),
        "k": ("5", "12"),
    },
    "A tank holds {n} litres. One pipe fills it in {m} minutes, another empties it in {k} minutes."
    " With both open, how many minutes does it take to fill?": {
        "n": ("240", "600"),
        "m": ("12", "20"),
        "k": ("30", "45"),
    },
}
_CODE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Write a {lang} function that takes an array of integers and returns the {what}.": {
        "lang": ("Python", "JavaScript", "Rust", "Java"),
        "what": (
            "two largest values",
            "longest run of equal values",
            "median without sorting the whole array",
            "index of the first duplicate",
        ),
    },
    "Why does this Python code raise {error}?\n\ndef mean(values=[]):\n    total = 0\n    for v in"
    " values:\n        total += v[{i}]\n    return total / len(values)": {
        "error": ("IndexError", "ZeroDivisionError", "TypeError"),
        "i": ("0", "1", "-1"),
    },
    "Write a SQL query over orders(id, customer_id, total, placed_at) that returns {what} per"
    " customer_id.": {
        "what": ("the latest order", "the mean total", "the number of orders in 2024"),
    },
    "Write a regex that matches {what} and explain each part; use it in a {lang} script.": {
        "what": ("an ISO date", "a hex colour like #a1b2c3", "a semantic version"),
        "lang": ("Python", "JavaScript"),
    },
    'Convert this JSON API response to a {lang} class: {{"id": 7, "{field}": ["a", "b"],'
    ' "ok": true}}': {
        "lang": ("Python", "Rust", "Java"),
        "field": ("tags", "roles", "scopes", "labels"),
    },
    "Fix the bug in this function:\n\nfunction last(array) {{\n  return array[array.length -"
    " {i}];\n}} // called with {call}": {
        "i": ("0", "2"),
        "call": ("[]", "[1, 2, 3]", "null"),
    },
    "Implement {what} in {lang} as a class with type hints and a short test.": {
        "what": ("an LRU cache", "a ring buffer", "a trie", "a token bucket"),
        "lang": ("Python", "Java", "Rust"),
    },
}
_PASSAGES = (
    "The town council of Harrow Mill met on Tuesday to discuss the old paper factory by the river."
    " Residents asked for a library and workshops, while the owner proposed flats. The council"
    " agreed to a survey of the building, which has been empty since 1998, and will decide in"
    " spring when the cost of repairs is known.",
    "Over three winters, researchers followed forty foxes that live at the edge of a large city."
    " The animals slept in parks and railway banks, and crossed fewer roads on nights with heavy"
    " traffic. Young foxes travelled further than old ones. The team suggests that green corridors"
    " between parks would spare both foxes and drivers.",
    "Our quarterly review shows that support requests fell by a fifth after the new search page"
    " went live. Most remaining requests concern invoices and delivery dates. The team recommends"
    " showing the expected date of delivery on the order page, and sending the invoice with the"
    " first message instead of the last.",
    "Sourdough needs time more than skill. Flour and water are mixed and left alone, and wild yeast"
    " from the grain begins to work within days. A warm kitchen makes the dough rise quickly, a"
    " cool one gives it a deeper taste. Bakers who are in doubt wait another hour, and seldom"
    " regret it.",
    "The harbour bridge will close for repairs at the weekend. Buses will take the northern road,"
    " and a ferry will run between the market and the old pier from six in the morning until"
    " midnight. Cyclists may use the footbridge. The engineers expect the work to be finished by"
    " Monday before the first trains leave.",
    "In the novel, a retired clockmaker is asked to repair the tower clock of a village that has"
    " lived without the hour for a decade. People have grown used to it: they meet when the light"
    " is right and eat when they are hungry. As the clock begins to strike again, friendships and"
    " quarrels that had slept for years come back with it.",
)
_SUMMARY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Summarize the following text in {how}:\n\n{text}": {
        "how": ("one sentence", "three short bullet points", "at most thirty words", "plain words"),
        "text": _PASSAGES,
    },
    "Give a headline and a {how} summary of this article.\n\n{text}": {
        "how": ("two-sentence", "one-paragraph", "very short"),
        "text": _PASSAGES,
    },
    "What are the main points of the text below, for {who}?\n\n{text}": {
        "who": ("a busy manager", "a newspaper reader", "somebody who was not there"),
        "text": _PASSAGES,
    },
    "Here is a text. Tell me in {how} what matters in it.\n\n{text}": {
        "how": ("two sentences", "fifty words"),
        "text": _PASSAGES,
    },
}
_PHRASES = (
    "Could you tell me where the nearest pharmacy is?",
    "The meeting has been moved to Thursday afternoon.",
    "I would like a table for two by the window.",
    "Thank you for your patience, we are on our way.",
    "The lift is out of order, please use the stairs.",
    "My luggage did not arrive with my flight.",
    "We look forward to working with you again.",
    "Please keep this medicine away from children.",
    "She said that she would call back before noon.",
)
_LANGUAGES = ("French", "German", "Turkish", "Portuguese", "Japanese", "Polish")
_TRANSLATION: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    'Translate into {lang}: "{text}"': {"lang": _LANGUAGES, "text": _PHRASES},
    'Translate this sentence into polite {lang}: "{text}"': {
        "lang": _LANGUAGES,
        "text": _PHRASES,
    },
    '"{text}" - translate it to {lang}, please, as on a sign.': {
        "lang": _LANGUAGES,
        "text": _PHRASES,
    },
}
_TOPICS = (
    "learning to swim as an adult", "moving to a new city", "my sister's wedding speech",
    "getting up early", "making friends at work", "my fear of flying", "keeping houseplants alive",
    "a rainy weekend with my kids", "starting a book club", "saying no to my boss",
)  # fmt: skip
_CHAT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Hey! I keep thinking about {topic}. Do you have any advice for me?": {"topic": _TOPICS},
    "I'm a bit nervous about {topic} and my friends are no help, what would you do?": {
        "topic": _TOPICS
    },
    "Can we talk about {topic}? I just want you to cheer me up a little": {"topic": _TOPICS},
    "My partner and I cannot agree on {topic}, who is right and how do we make up?": {
        "topic": _TOPICS
    },
    "Tell me something nice about {topic}, you always know what to say to me!": {"topic": _TOPICS},
    "Honestly I would rather not hear about {topic} today. Would you tell me a joke instead?": {
        "topic": _TOPICS
    },
}
_CITIES = ("Lisbon", "Oslo", "Izmir", "Krakow", "Porto", "Ghent", "Graz", "Turku")
_EXTRACTION: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Extract name, city and amount as JSON: INVOICE No. {n} / Customer: {who} Lindqvist, {city} /"
    " Net: 480,00 EUR / VAT: 91,20 EUR / Total: 571,20 EUR / Due: 2025-03-{n}": {
        "n": ("11", "14", "27"),
        "who": _NAMES,
        "city": _CITIES,
    },
    "List every date and place in: Flight TK {n} {city}-Istanbul 12 MAY 07:45, Hotel Ada 12-15 MAY,"
    " Flight TK {n}2 Istanbul-{city} 15 MAY 21:10, Seat 14C, PNR QX7{n}": {
        "n": ("18", "42", "77"),
        "city": _CITIES,
    },
    "Fields: sender, order number, product, quantity. Text: From: {who} <{who}@example.com>,"
    " Subject: Order A-{n}31, Items: 3 x Desk Lamp (Black), 1 x Chair, Ship to: {city}": {
        "who": _NAMES,
        "n": ("2", "5", "9"),
        "city": _CITIES,
    },
}
KINDS: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "maths": _MATHS,
    "code": _CODE,
    "summary": _SUMMARY,
    "translation": _TRANSLATION,
    "chat": _CHAT,
    "extraction": _EXTRACTION,
}


def every() -> dict[str, list[Prompt]]:
    """Return all prompts by kind, in the order written; no text twice."""
    return {
        kind: [Prompt(kind, text) for text in dict.fromkeys(_expanded(templates))]
        for kind, templates in KINDS.items()
    }


def sample(count: int, rng: Random) -> list[Prompt]:
    """Draw ``count`` different prompts, the kinds as equal in number as they can be, shuffled.

    Raises:
        ValueError: There are not so many.
    """
    pools = every()
    for pool in pools.values():
        rng.shuffle(pool)
    drawn: list[Prompt] = []
    while len(drawn) < count and any(pools.values()):
        drawn += [pool.pop() for pool in pools.values() if pool][: count - len(drawn)]
    if len(drawn) < count:
        raise ValueError(f"there are {len(drawn)} prompts, not {count}")
    rng.shuffle(drawn)
    return drawn


def _expanded(templates: Mapping[str, Mapping[str, tuple[str, ...]]]) -> list[str]:
    return [
        template.format(**dict(zip(slots, words, strict=True)))
        for template, slots in templates.items()
        for words in product(*slots.values())
    ]
