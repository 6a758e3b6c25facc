"""The peer of acknowledge-orders: lists what waits (OR11) and accepts each order (OR21).

    python acknowledge.py BASE_URL API_KEY SHOP_ID THREADS

A straightforward script, with pooled connections and threads; it keeps no rows, asks nobody and repairs nothing.
"""

import concurrent.futures
import json
import sys

import urllib3


def main():
    base, key, shop = sys.argv[1:4]
    threads = int(sys.argv[4])
    http = urllib3.PoolManager(maxsize=threads, retries=False)
    headers = {"Authorization": key, "Accept": "application/json"}
    waiting, offset = [], 0
    while True:
        url = f"{base}/api/orders?order_state_codes=WAITING_ACCEPTANCE&max=100&offset={offset}&shop_id={shop}"
        page = http.request("GET", url, headers=headers).json()
        waiting += page["orders"]
        offset += 100
        if offset >= page["total_count"]:
            break

    def accept(order):
        lines = [{"accepted": True, "id": line["order_line_id"]} for line in order["order_lines"]]
        url = f"{base}/api/orders/{order['order_id']}/accept?shop_id={shop}"
        answer = http.request(
            "PUT", url, headers={**headers, "Content-Type": "application/json"}, body=json.dumps({"order_lines": lines})
        )
        return answer.status

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        statuses = list(pool.map(accept, waiting))
    accepted = statuses.count(204)
    print(json.dumps({"accepted": accepted, "refused": len(statuses) - accepted, "highest_memory_kib": highest_memory()}))


def highest_memory():
    """VmHWM, as it is read of ours."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


main()
