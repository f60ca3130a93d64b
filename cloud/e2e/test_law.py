"""That the law is broken is seen: what every case asserts at its end, of made-up witnesses."""
import unittest

import law

HOST, SERVER, SERVICE = "compute01", "vm", "service"
EVIDENCE = {"host": HOST, "kind": "powered_off"}


def at(seconds, **entry):
    return seconds, entry


PLANNED = at(101, entry="planned", moves=[{"server": SERVER}])
PROVEN = at(100, entry="proven", kind="powered_off", at=99_000, evidence=[EVIDENCE])
BY_WORD = at(100, entry="proven", kind="monitor_said", at=99_000, evidence=[EVIDENCE])
HELD = at(110, entry="held", why="it shows a sign of life")


def judged(lines, evacuated=(), forced=(), beats=(), began=None):
    return law.judge([{"server": SERVER, "wall": w} for w in evacuated],
                     [{"service": SERVICE, "wall": w} for w in forced], {"recovery": lines}, beats,
                     [(SERVER, int(w)) for w in (evacuated if began is None else began)], {SERVICE: HOST})


class TheLaw(unittest.TestCase):
    def test_is_obeyed_by_who_asks_after_the_proof(self):
        beats = [(HOST, 90, 90.2), (HOST, 100, 100.2), ("compute02", 150, 150.1)]
        self.assertEqual(judged([PROVEN, PLANNED], [101.5, 160], [100.5], beats), [])

    def test_is_broken_by_an_evacuation_before_the_proof(self):
        late = at(103, **PROVEN[1])
        [by_the_proxy, by_nova] = judged([PLANNED, late], [102])
        self.assertIn("before its death was proven", by_the_proxy)
        self.assertIn("Nova began to evacuate vm before", by_nova)
        self.assertIn("which no recovery had planned", judged([PROVEN], [102])[0])

    def test_is_broken_by_a_host_that_is_forced_down_on_a_report_alone(self):
        [said] = judged([BY_WORD, PLANNED], [102], [102])
        self.assertIn("forced down before its death was proven by more than a report", said)
        self.assertIn("of which no recovery knows", judged([PLANNED], [], [102])[0])

    def test_is_broken_by_what_is_asked_after_a_sign_of_life_and_not_by_what_was_under_way(self):
        lines = [PROVEN, PLANNED, HELD]
        self.assertEqual(judged(lines, [112]), [])
        self.assertIn("4.0 s after it was held", judged(lines, [114])[0])
        self.assertEqual(judged([*lines, at(113, **PROVEN[1])], [114]), [])
        beat = [(HOST, 103, 103.5)]
        self.assertEqual(judged([PROVEN, PLANNED], [113], beats=beat), [])
        self.assertIn("after the host was heard", judged([PROVEN, PLANNED], [114], beats=beat)[0])
        self.assertEqual(judged([PROVEN, PLANNED], [114], beats=[(HOST, 101, 103.5)]), [])

    def test_is_not_witnessed_by_a_proxy_that_did_not_see_everything(self):
        [said] = judged([PROVEN, PLANNED], [102], began=[102, 105])
        self.assertIn("Nova began 2 evacuations of vm, and was asked for 1", said)
