"""Places the order in a file, with Python's standard library only:
ORDERWHEEL_URL=... ORDERWHEEL_API_KEY=... python3 place_order.py [order.json]
"""

import email.utils
import hashlib
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request


def place_order(order, url, api_key, idempotency_key=None, deadline_seconds=30):
    """Answers {id, externalId, state, links}. Raises Problem when the order is refused, and NoAnswer when
    it is not known whether it was placed: call again with the same order later."""
    body = json.dumps(order, sort_keys=True).encode()
    # Made of the order: a process that is started anew makes the same one, and the order is placed once.
    key = idempotency_key or order["externalId"] + ":" + hashlib.sha256(body).hexdigest()[:32]
    request = urllib.request.Request(
        url.rstrip("/") + "/orders",
        data=body,
        method="POST",
        headers={
            "Authorization": "Bearer " + api_key,
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        },
    )
    until = time.monotonic() + deadline_seconds
    attempt = 0
    while True:
        attempt += 1
        wait_at_least = 0.0
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            problem = Problem(answer)
            if not problem.may_be_repeated:
                raise problem from None
            wait_at_least = retry_after(answer.headers.get("Retry-After"))
            failure = problem
        except (OSError, http.client.HTTPException, ValueError) as error:
            # No connection, no answer in time, or one that was cut short: the order may be there.
            failure = error
        # Full jitter: storefronts that failed together do not come back together.
        pause = wait_at_least + random.uniform(0, min(5, 0.25 * 2 ** (attempt - 1)))
        if time.monotonic() + pause >= until:
            raise NoAnswer(f"No answer after {attempt} attempts: {failure}") from failure
        time.sleep(pause)


def retry_after(value):
    """Seconds, from seconds or an HTTP date."""
    if not value:
        return 0.0
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


class NoAnswer(Exception):
    pass


class Problem(Exception):
    """What was answered instead of the order (RFC 9457): `code` is for programs, `errors` for each wrong field."""

    def __init__(self, answer):
        try:
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            said = None
        if not isinstance(said, dict):
            said = {}
        self.status = answer.code
        self.code = said.get("code", "unknown")
        self.errors = said.get("errors", [])
        self.may_be_repeated = (
            self.status in (408, 425, 429)
            or self.status >= 500
            or self.code == "request-in-progress"
        )
        super().__init__(": ".join(filter(None, [said.get("title", f"HTTP {self.status}"), said.get("detail")])))


if __name__ == "__main__":
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "order.json")
    with open(sys.argv[1] if len(sys.argv) > 1 else beside, encoding="utf-8") as file:
        to_place = json.load(file)
    try:
        placed = place_order(
            to_place,
            os.environ.get("ORDERWHEEL_URL", "http://127.0.0.1:8080"),
            os.environ.get("ORDERWHEEL_API_KEY", "ow_dev_storefront"),
        )
        print(f"{placed['externalId']} is {placed['state']}: {placed['id']}")
    except Problem as problem:
        print(f"{problem.code}: {problem}", file=sys.stderr)
        for error in problem.errors:
            print(f"  {error.get('pointer')}: {error['detail']}", file=sys.stderr)
        sys.exit(1)
    except NoAnswer as error:
        print(error, file=sys.stderr)
        sys.exit(2)
