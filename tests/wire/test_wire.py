"""Computes the worked example of specs/wire.md and compares every line of it.

The unit tests of transport compare the same example with the C code: so two implementations that
share no line agree on every byte.
"""
import os
import unittest

import wire

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "specs", "wire.md")
BEGIN = "<!-- example: made by tests/unit/transport -->\n```\n"
END = "```\n<!-- end of example -->"


def read_example():
    """The example's lines as {name: bytes}."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    begin = text.index(BEGIN) + len(BEGIN)
    values, name = {}, None
    for line in text[begin:text.index(END, begin)].splitlines():
        if line.startswith("    "):
            values[name] += bytes.fromhex(line)
        else:
            name = line.removesuffix(" =")
            values[name] = b""
    return values


class Example(unittest.TestCase):
    def setUp(self):
        self.example = read_example()
        self.context = self.example["context"]
        self.initiator = self.party("initiator", wire.COORDINATOR)
        self.responder = self.party("responder", wire.NODE)
        self.transcript = wire.transcript(self.context, self.initiator, self.responder)
        self.session = self.transcript[:16]
        self.there, self.back = wire.traffic_keys(
            self.initiator.ephemeral_secret, self.responder.ephemeral,
            self.initiator.ephemeral, self.responder.ephemeral)

    def party(self, side, role):
        return wire.Party(role, self.example[f"{side} identity seed"],
                          self.example[f"{side} nonce"],
                          self.example[f"{side} ephemeral secret"])

    def compute(self):
        finish = wire.sign(self.initiator.identity_secret, "rekey wire v1 initiator",
                           self.transcript)
        to, back = wire.FROM_INITIATOR, wire.FROM_RESPONDER
        return {
            "transcript": self.transcript,
            "key initiator to responder": self.there,
            "key responder to initiator": self.back,
            "hello": wire.hello(self.initiator, self.context),
            "answer": wire.answer(self.initiator, self.responder, self.transcript),
            "frame 0 of the initiator": wire.seal(self.there, self.session, to, 0, finish),
            "frame 0 of the responder": wire.seal(self.back, self.session, back, 0, b""),
            'frame 1 of the initiator, "ping"':
                wire.seal(self.there, self.session, to, 1, b"ping"),
            'frame 1 of the responder, "pong"':
                wire.seal(self.back, self.session, back, 1, b"pong"),
            "refusal": wire.header(wire.REFUSAL),
        }

    def test_every_line_is_computed(self):
        computed = self.compute()
        for name, value in computed.items():
            with self.subTest(name):
                self.assertEqual(value.hex(), self.example[name].hex())
        given = {"context"} | {f"{side} {what}" for side in ("initiator", "responder")
                               for what in ("identity seed", "nonce", "ephemeral secret")}
        self.assertEqual(set(self.example), given | set(computed))

    def test_both_ends_have_the_same_keys(self):
        keys = wire.traffic_keys(self.responder.ephemeral_secret, self.initiator.ephemeral,
                                 self.initiator.ephemeral, self.responder.ephemeral)
        self.assertEqual(keys, (self.there, self.back))

    def test_the_other_end_takes_what_was_sent(self):
        answer = self.example["answer"]
        wire.check_signature(self.responder.identity, "rekey wire v1 responder", self.transcript,
                             answer[107:171])
        finish = wire.unseal(self.there, self.session, wire.FROM_INITIATOR, 0,
                             self.example["frame 0 of the initiator"])
        wire.check_signature(self.initiator.identity, "rekey wire v1 initiator", self.transcript,
                             finish)
        self.assertEqual(wire.unseal(self.there, self.session, wire.FROM_INITIATOR, 1,
                                     self.example['frame 1 of the initiator, "ping"']), b"ping")
        self.assertEqual(wire.unseal(self.back, self.session, wire.FROM_RESPONDER, 1,
                                     self.example['frame 1 of the responder, "pong"']), b"pong")

    def test_a_wrong_message_is_refused(self):
        frame = self.example['frame 1 of the initiator, "ping"']
        with self.assertRaises(wire.Refused):  # again, where the next was to come
            wire.unseal(self.there, self.session, wire.FROM_INITIATOR, 2, frame)
        with self.assertRaises(wire.Refused):  # reflected
            wire.unseal(self.back, self.session, wire.FROM_RESPONDER, 1, frame)
        with self.assertRaises(wire.Refused):
            wire.unseal(self.there, self.session, wire.FROM_INITIATOR, 1,
                        frame[:-1] + bytes([frame[-1] ^ 1]))
        with self.assertRaises(wire.Refused):  # the other side's signature
            wire.check_signature(self.responder.identity, "rekey wire v1 initiator",
                                 self.transcript, self.example["answer"][107:171])


if __name__ == "__main__":
    unittest.main()
