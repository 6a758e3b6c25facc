"""The peer of push-stock: reads Prima's answer, rules, compares with what was published, and writes the import (STO01).

    python stock.py DIRECTORY

A straightforward script on the standard library alone: the answer's document is read as it is unescaped, Prima's figures are a dictionary,
what was published is a CSV file. It looks for no mistake of Prima's, knows no orders in flight, and forgets everything afterwards.
"""

import csv
import json
import sys
import time
import xml.etree.ElementTree
import xml.parsers.expat


class Document:
    """The document within a SOAP answer, as a file to be read."""

    def __init__(self, answer, result):
        self.answer, self.text, self.within = answer, [], False
        self.parser = xml.parsers.expat.ParserCreate()
        self.parser.buffer_text, self.parser.buffer_size = True, 1 << 16
        self.parser.StartElementHandler = lambda name, _: self.enter(name == result)
        self.parser.EndElementHandler = lambda _: self.enter(False)
        self.parser.CharacterDataHandler = lambda text: self.text.append(text) if self.within else None

    def enter(self, within):
        self.within = within

    def read(self, _):
        while not self.text:
            chunk = self.answer.read(1 << 16)
            self.parser.Parse(chunk, not chunk)
            if not chunk:
                break
        text, self.text = "".join(self.text), []
        return text


def free_units(answer, result):
    free = {}
    document = xml.etree.ElementTree.iterparse(Document(answer, result), events=("start", "end"))
    _, root = next(document)
    if root.get("RequestStatus") != "OK":
        sys.exit(f"Prima refused: {root.get('RequestError')}")
    for event, element in document:
        if event == "end" and element.tag == "sku":
            sku = f"{element.get('Product')}-{element.get('MtrxCode1')}-{element.get('MtrxCode2')}"
            allocated = max(0, int(element.get("AllocatedQuantity")))
            free[sku] = max(0, int(element.get("AvailableQuantity")) - allocated)
            root.clear()
    return free


def main():
    directory = sys.argv[1]
    begun = time.perf_counter()
    with open(f"{directory}/connection.json") as file:
        result = json.load(file)["parts"]["result"]
    with open(f"{directory}/answer.xml", "rb") as answer:
        free = free_units(answer, result)
    read = time.perf_counter() - begun

    with open(f"{directory}/rules.json") as file:
        rules = json.load(file)["rules"]
    everywhere = next(rule for rule in rules if "product" not in rule)
    by_product = {rule["product"]: rule for rule in rules if "product" in rule}
    lines = []
    with open(f"{directory}/published.csv", newline="") as file:
        for sku, shown in csv.reader(file, delimiter=";"):
            units = free.get(sku)
            if units is None:
                continue
            rule = by_product.get(sku.split("-", 1)[0], everywhere)
            wanted = units * everywhere["share_percent"] // 100 - rule["buffer"]
            wanted = min(max(0, wanted), everywhere["cap"])
            shown = int(shown) if shown else None
            if shown != wanted:
                lines.append((sku, wanted, shown is not None and wanted > shown))
    # Zeroes first, then what lowers an offer, then what raises one.
    lines.sort(key=lambda line: (line[1] > 0, line[2]))
    with open(f"{directory}/peer.csv", "w", newline="") as file:
        writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["offer-sku", "quantity", "warehouse-code", "update-delete"])
        writer.writerows((sku, wanted, "", "update") for sku, wanted, _ in lines)
    print(
        json.dumps(
            {
                "skus": len(free),
                "lines": len(lines),
                "seconds": {"read": read},
                "processor_seconds": time.process_time(),
                "highest_memory_kib": highest_memory(),
            }
        )
    )


def highest_memory():
    """VmHWM, as it is read of ours."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


main()
