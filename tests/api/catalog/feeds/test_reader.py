"""Every format, told by content, and what real and hostile files do to them."""

import gzip
import io
import json
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from api.catalog.feeds.reader import Feed, FeedFormat, FeedOptions, open_feed
from api.catalog.feeds.rows import BadRow, FeedRow, FeedUnreadable

HEADER = "id,title,link,image_link,price\n"
LINE = "{0},Mug {0},https://a.example/{0},https://a.example/{0}.jpg,19.90 EUR\n"


class Read:
    """A feed that was read to its end."""

    def __init__(self, feed: Feed) -> None:
        self.format = feed.format
        self.rows: list[FeedRow | BadRow] = list(feed.rows)
        self.remarks = feed.remarks()

    @property
    def good(self) -> list[dict[str, str]]:
        return [row.values for row in self.rows if isinstance(row, FeedRow)]

    @property
    def bad(self) -> dict[int | None, str]:
        return {row.error.line: row.error.reason for row in self.rows if isinstance(row, BadRow)}


@pytest.fixture
def read(tmp_path: Path):
    def from_bytes(data: bytes | str, **options: str) -> Read:
        path = tmp_path / "upload"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        with open_feed(path, FeedOptions(**options)) as feed:
            return Read(feed)

    return from_bytes


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_header(read, mark: str) -> None:
    names = HEADER.strip().split(",")
    text = (
        mark.join(names) + "\n" + mark.join(["1", '"A, b; c | d"', "l", "i", "19,90 EUR" if mark != "," else "1 EUR"])
    )
    got = read(text)
    assert got.format is FeedFormat.delimited
    assert got.good[0]["title"] == "A, b; c | d"
    assert got.good[0]["id"] == "1"


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"],
)
def test_the_encoding_is_told_from_the_bytes(read, codec: str) -> None:
    text = HEADER + "1,Müßiggänger – 10 €,https://a.example/,x,1 EUR\n"
    got = read(text.encode(codec))
    assert got.good[0]["id"] == "1"
    assert got.good[0]["title"] == "Müßiggänger – 10 €"
    assert bool(got.remarks) == (codec == "cp1252")


def test_one_odd_byte_does_not_spoil_the_rest(read) -> None:
    data = (HEADER + "1,Müsli,l,i,1 EUR\n").encode() + b"2,Caf\xe9,l,i,1 EUR\n"
    got = read(data)
    assert [row["title"] for row in got.good] == ["Müsli", "Café"]
    assert "line 3" in got.remarks[0]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(read, ends: str) -> None:
    got = read((HEADER + LINE.format(1) + LINE.format(2)).replace("\n", ends))
    assert [row.line for row in got.rows] == [2, 3]


def test_an_open_quote_costs_its_own_row_only(read) -> None:
    lines = [LINE.format(number) for number in range(1, 8)]
    lines[2] = lines[2].replace("Mug 3", '"Mug 3')
    lines[4] = lines[4].replace("Mug 5", '"Mug 5, ""big"""')
    got = read(HEADER + "".join(lines))
    assert list(got.bad) == [4]
    assert "quote" in got.bad[4]
    assert [row["id"] for row in got.good] == ["1", "2", "4", "5", "6", "7"]
    assert got.good[3]["title"] == 'Mug 5, "big"'


def test_an_open_quote_before_a_gigabyte_is_bounded(read) -> None:
    rest = "".join(LINE.format(number) for number in range(2, 30_000))
    got = read(HEADER + '1,"open,l,i,1 EUR\n' + rest)
    assert list(got.bad) == [2]
    assert len(got.good) == 29_998


def test_quotes_inside_and_line_breaks_in_quotes_are_read(read) -> None:
    got = read(HEADER + '1,"24" screen",l,i,1 EUR\n2,"two\nlines",l,i,1 EUR\n3,24" screen,l,i,1 EUR\n')
    assert got.bad == {}
    assert [row["title"] for row in got.good] == ['24 screen"', "two\nlines", '24" screen']
    assert [row.line for row in got.rows] == [2, 3, 5]


def test_a_shifted_row_is_refused_not_guessed(read) -> None:
    got = read(HEADER + "1,Mug, big,l,i,1 EUR\n" + LINE.format(2))
    assert "6 columns" in got.bad[2]
    assert len(got.good) == 1


def test_nul_bytes_and_endless_lines_do_no_harm(read) -> None:
    got = read(HEADER.encode() + b"1,a\x00b,l,i,1 EUR\n2," + b"x" * 700_000 + b",l,i,1 EUR\n3,c,l,i,1 EUR\n")
    assert [row["title"] for row in got.good] == ["ab", "c"]
    assert "longer" in got.bad[3]


def test_a_long_field_is_told_with_its_name(read) -> None:
    got = read(HEADER + f"1,{'x' * 70_000},l,i,1 EUR\n")
    assert isinstance(got.rows[0], BadRow)
    assert got.rows[0].error.field == "title"


def test_formulas_stay_text(read) -> None:
    got = read(HEADER + "1,\"=cmd|'/c calc'!A0\",l,i,1 EUR\n")
    assert got.good[0]["title"] == "=cmd|'/c calc'!A0"


def test_merchant_tsv_with_spaced_names(read) -> None:
    got = read("id\ttitle\timage link\tprice\tproduct type\n1\tMug\thttps://a/1.jpg\t19.90 EUR\tHome > Mugs\n")
    assert got.good[0] | {} == {
        "id": "1",
        "title": "Mug",
        "image_link": "https://a/1.jpg",
        "price": "19.90 EUR",
        "product_type": "Home > Mugs",
    }


def test_json_lines_and_their_damages(read) -> None:
    good = json.dumps({"id": 1, "title": "Mug", "price": 1.299, "currency": "EUR", "attributes": {"color": "red"}})
    got = read("\n".join([good, '{"id": 2, oops}', "[1]", '"text"', "[" * 50_000, "", '{"id": "3", "x": null}']))
    assert got.format is FeedFormat.jsonl
    assert [row["id"] for row in got.good] == ["1", "3"]
    assert got.good[0]["attributes.color"] == "red"
    assert sorted(got.bad) == [2, 3, 4, 5]


def test_a_json_array_is_streamed(read) -> None:
    rows = [{"id": str(number), "title": "x" * 5000} for number in range(200)]
    got = read(json.dumps(rows, indent=1))
    assert got.format is FeedFormat.json_array
    assert [row["id"] for row in got.good] == [str(number) for number in range(200)]


RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>1</g:id><title><![CDATA[<b>A</b> & B]]></title><g:price>1 EUR</g:price><link>https://a.example/</link>
<g:shipping><g:price>9 EUR</g:price><g:id>no</g:id></g:shipping><g:image_link>i</g:image_link></item></channel></rss>"""
ATOM = """<?xml version="1.0" encoding="ISO-8859-1"?><feed xmlns="http://www.w3.org/2005/Atom"
 xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title><entry><g:id>1</g:id><title>Tée</title>
<link rel="alternate" href="https://a.example/"/><g:price>1 EUR</g:price></entry></feed>"""


def test_merchant_rss(read) -> None:
    got = read(RSS)
    assert got.format is FeedFormat.merchant_xml
    assert got.good[0]["id"] == "1"
    assert got.good[0]["price"] == "1 EUR"
    assert got.good[0]["title"] == "<b>A</b> & B"


def test_merchant_atom_in_its_declared_encoding(read) -> None:
    got = read(ATOM.encode("latin-1"))
    assert (got.good[0]["title"], got.good[0]["link"]) == ("Tée", "https://a.example/")


@pytest.mark.parametrize(
    "data",
    [
        '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss><channel><item><id>&b;</id></item></channel></rss>',  # noqa: E501 - one file
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><item><id>&x;</id></item></channel></rss>',
        "<rss>" + "<a>" * 5000,
        '<rss version="' + "x" * 4_000_000,
        "<rss><!--" + "x" * 4_000_000,
        "<rss><channel><item><id>1</id></item>",
        "<html><body></body></html>",
    ],
    ids=["bomb", "file", "deep", "attribute", "comment", "cut", "html"],
)
def test_hostile_or_broken_xml_is_refused(read, data: str) -> None:
    with pytest.raises(FeedUnreadable):
        read(data)


def test_an_endless_element_is_told_and_not_kept(read) -> None:
    got = read(
        f"<rss><channel><item><id>1</id><title>{'x' * 3_000_000}</title></item><item><id>2</id></item></channel></rss>"
    )
    assert isinstance(got.rows[0], BadRow)
    assert got.rows[0].error.field == "title"
    assert got.good == [{"id": "2"}]


SHOPIFY = """Handle,Title,Body (HTML),Vendor,Type,Published,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
Variant Compare At Price,Variant Inventory Qty,Image Src,Image Position,Status
mug,Mug,"<p>Nice<br>mug</p>",Clay,Mugs,true,Color,Red,s1,19.90,25.00,0,https://cdn.shopify.com/1.jpg,1,active
mug,,,,,,,Blue,s2,18.00,,3,https://cdn.shopify.com/2.jpg,2,
mug,,,,,,,,,,,,https://cdn.shopify.com/3.jpg,3,
lamp,Lamp,,Clay,Lamps,true,Title,Default Title,s3,40.00,50.00,0,https://cdn.shopify.com/4.jpg,1,active
idea,Idea,,Clay,Lamps,false,Title,Default Title,s4,40.00,,1,https://cdn.shopify.com/5.jpg,1,draft
"""


def test_shopify_rows_of_one_handle_are_one_product(read) -> None:
    got = read(SHOPIFY, shop_url="https://shop.example/", currency="EUR")
    assert got.format is FeedFormat.shopify
    mug, lamp = got.good
    assert (mug["id"], mug["price"], mug["currency"]) == ("mug", "18.00", "EUR")
    assert "sale_price" not in mug
    assert mug["availability"] == "in_stock"
    assert mug["attributes.Color"] == "Red, Blue"
    assert mug["link"] == "https://shop.example/products/mug"
    assert (lamp["price"], lamp["sale_price"], lamp["availability"]) == ("50.00", "40.00", "out_of_stock")
    assert "1 products" in got.remarks[0]
    assert [row.line for row in got.rows] == [2, 5]


def test_shopify_without_options_says_what_it_assumed(read) -> None:
    got = read(SHOPIFY)
    assert got.good[0]["currency"] == "USD"
    assert got.good[0]["link"] == ""
    assert any("USD" in remark for remark in got.remarks)


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


FEED = (HEADER + LINE.format(1)).encode()


def test_a_zip_has_one_feed_whatever_its_name(read) -> None:
    assert (
        read(zipped(("data/export", FEED), ("README.md", b"hello"), ("__MACOSX/._export", FEED))).good[0]["id"] == "1"
    )
    with pytest.raises(FeedUnreadable, match="2 feeds"):
        read(zipped(("a.csv", FEED), ("b.csv", FEED)))
    with pytest.raises(FeedUnreadable, match="no feed"):
        read(zipped(("a.jpg", b"x")))


def test_zip_bombs_are_not_unpacked(read) -> None:
    bomb = zipped(("feed.csv", HEADER.encode() + b"x" * 50_000_000))
    started = time.thread_time()  # work, whatever else the machine does
    with pytest.raises(FeedUnreadable):
        read(bomb)
    assert time.thread_time() - started < 2


def test_a_zip_that_claims_too_many_entries_is_refused_unread(read) -> None:
    data = bytearray(zipped(("feed.csv", FEED)))
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<L", data, at + 12, 500 * 1024**2)
    with pytest.raises(FeedUnreadable, match="entries"):
        read(bytes(data))


def test_gzip_is_unpacked_within_bounds(read, tmp_path: Path) -> None:
    assert read(gzip.compress(FEED)).good[0]["id"] == "1"
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(HEADER.encode() + b"x,y,z,a,b\n" * 1_000_000))
    with pytest.raises(FeedUnreadable), open_feed(path, FeedOptions(max_bytes=1024**2)) as feed:
        for _ in feed.rows:
            pass


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xml"])
def test_memory_stays_flat_however_long_the_feed(tmp_path: Path, kind: str) -> None:
    line = {
        "csv": LINE,
        "jsonl": '{{"id": "{0}", "title": "Mug {0}", "price": "1 EUR"}}\n',
        "xml": "<item><id>{0}</id><title>Mug {0}</title></item>\n",
    }[kind]
    start, end = {"csv": (HEADER, ""), "jsonl": ("", ""), "xml": ("<rss><channel>", "</channel></rss>")}[kind]
    path = tmp_path / "long"
    path.write_text(start + "".join(line.format(number) for number in range(60_000)) + end)
    tracemalloc.start()
    with open_feed(path, FeedOptions()) as feed:
        count = sum(1 for _ in feed.rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 2 * 1024**2
