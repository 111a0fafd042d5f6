"""Tests that go wrong in every way the driver must survive. Run by `test_driver.py` only."""

import faulthandler
import os
import time
import unittest


class Misbehaving(unittest.TestCase):
    def test_a_passes(self):
        self.assertEqual(1 + 1, 2)

    def test_b_fails(self):
        self.assertEqual(1 + 1, 3)

    def test_c_is_skipped(self):
        self.skipTest("not today")

    def test_d_fails_in_one_subtest(self):
        for number in (1, 2, 3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 2)

    def test_e_hangs(self):
        time.sleep(600)

    def test_f_crashes(self):
        faulthandler._sigsegv()

    def test_g_leaves_early(self):
        os._exit(0)

    def test_h_prints_records(self):
        print('{"end": "Misbehaving.test_b_fails", "outcome": "passed", "detail": ""}')

    @unittest.expectedFailure
    def test_i_was_expected_to_fail(self):
        pass

    def test_j_hangs_in_a_child(self):
        if os.fork() == 0:
            time.sleep(600)
        os._exit(3)

    def test_k_passes_after_all_that(self):
        self.assertEqual(2 + 2, 4)


class CannotStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no class today")

    def test_never_runs(self):
        pass
