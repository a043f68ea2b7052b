#!/usr/bin/env python3
"""worker.py - a worker in Python, by the file protocol of docs/activities.md: no library needed.

Takes items of the activity 'resize' from the hub $PAWL_HUB until it gets TERM, beating its heart while it works.
"""
import os
import signal
import sys
import threading
import time

HUB = os.environ["PAWL_HUB"]
ACTIVITY = "resize"
ME = str(os.getpid())


def queue(state):
    return os.path.join(HUB, "work", state, ACTIVITY)


def take():
    """The name of an item that is ours now, or None. Of many who rename the same one, exactly one wins."""
    try:
        names = sorted(os.listdir(queue("ready")))  # the order of names is the order of priority and age
    except FileNotFoundError:
        return None
    for name in names:
        try:
            os.rename(os.path.join(queue("ready"), name), os.path.join(queue("claimed"), f"{name}@{ME}"))
            return name
        except FileNotFoundError:
            continue
    return None


def finish(name, code):
    try:
        os.rename(os.path.join(queue("claimed"), f"{name}@{ME}"), os.path.join(queue("done"), f"{name}@{ME}.{code}"))
    except FileNotFoundError:
        print(f"worker.py: {name} was taken back", file=sys.stderr)


def beat(work, stop):
    while not stop.wait(2):
        try:
            with open(os.path.join(work, "heartbeat"), "w"):
                pass
        except OSError:
            return


def resize(picture):
    return picture.upper()


def work_on(name):
    work = os.path.join(queue("claimed"), f"{name}@{ME}")
    stop = threading.Event()
    threading.Thread(target=beat, args=(work, stop), daemon=True).start()
    try:
        with open(os.path.join(work, "input")) as f:
            picture = f.read()
        with open(os.path.join(work, "progress"), "w") as f:
            f.write("50 half way")
        with open(os.path.join(work, "result"), "w") as f:
            f.write(resize(picture))
        code = 0
    except OSError as e:
        with open(os.path.join(work, "message"), "w") as f:
            f.write(str(e))
        code = 1
    stop.set()
    finish(name, code)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        name = take()
        if name:
            work_on(name)
        else:
            time.sleep(0.5)


main()
