"""Stands in for a command that finds a post's media again: JSON lines in, JSON lines out.

Reads its answers from resolver.jsonl beside it. Each id has a list of answers, one for each time it is asked; the
last holds for ever. How often an id was asked is kept in resolver.asked, so that it holds over several runs.
"""

import json
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ASKED = os.path.join(HERE, "resolver.asked")
LOCK = threading.Lock()


def known():
    table = {}
    with open(os.path.join(HERE, "resolver.jsonl"), encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            table[entry["id"]] = entry
    return table


def counts():
    seen = {}
    if os.path.exists(ASKED):
        with open(ASKED, encoding="utf-8") as lines:
            for line in lines:
                seen[line.strip()] = seen.get(line.strip(), 0) + 1
    return seen


def say(text):
    with LOCK:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def give(answer):
    action = answer.get("do")
    if action == "nothing":
        return
    if action == "exit":
        sys.stdout.flush()
        os._exit(answer.get("code", 1))
    if action == "print":
        say(answer["text"])
        return
    answer = dict(answer)
    if "after" in answer:
        answer["retry_at"] = int(time.time()) + answer.pop("after")
    say(json.dumps(answer))


def main():
    table, seen, late = known(), counts(), []
    with open(ASKED, "a", encoding="utf-8") as asked:
        for line in sys.stdin:
            try:
                request = json.loads(line)
            except ValueError:
                say(json.dumps({"v": 1, "status": "fatal", "detail": "the request is no JSON"}))
                continue
            key = str(request.get("id", ""))
            entry = table.get(key)
            if entry is None:
                give({"v": 1, "id": key, "status": "unavailable", "reason": "unknown", "detail": ""})
                continue
            index = seen.get(key, 0)
            seen[key] = index + 1
            asked.write(key + "\n")
            asked.flush()
            answers = entry["answers"]
            answer = answers[min(index, len(answers) - 1)]
            timer = threading.Timer(entry["delay_ms"] / 1000, give, [answer])
            timer.start()
            late.append(timer)
    for timer in late:
        timer.join()


main()
