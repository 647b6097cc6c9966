"""What sbatch meant, from what it printed: texts of Slurm 22.05 on the testbed, and of its source where named."""

import pytest

from rhodiff.jobs.sbatch_answers import advise, read_answer

ACCEPTED = [
    "Submitted batch job 26\n",
    "Submitted batch job 123456 on cluster dawn\n",
    "sbatch: warning: job 99 is not yours\n--> Verifying account ... OK\nSubmitted batch job 7\n",
]
REFUSED = [
    "sbatch: error: invalid partition specified: nope\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n",
    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
    "sbatch: error: Invalid --time specification\n",
    "sbatch: error: Memory specification can not be satisfied\n"
    "sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
    "sbatch: error: Batch job submission failed: Invalid job array specification\n",
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)\n",
    "sbatch: unrecognized option '--no-such-option=1'\nTry \"sbatch --help\" for more information\n",
]
UNSENT = [
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
    "sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\n"
    "sbatch: error: fetch_config: DNS SRV lookup failed\n"
    "sbatch: fatal: Could not establish a configuration source\n",
    "sbatch: error: ClusterName needs to be specified\nsbatch: fatal: Unable to process configuration file\n",
]
OPEN = [
    "",
    "Welcome to the login node\n",
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (receive failure)\n",
    "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n",
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
    "sbatch: error: Batch job submission failed: Resource temporarily unavailable\n",
]


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (verdict, text)
        for verdict, texts in {"accepted": ACCEPTED, "refused": REFUSED, "unsent": UNSENT, "open": OPEN}.items()
        for text in texts
    ],
)
def test_answers_are_told_apart(verdict, text):
    assert read_answer(text).verdict == verdict


def test_the_line_of_acceptance_is_found_among_a_sites_own_words():
    assert read_answer(ACCEPTED[2]).words == "Submitted batch job 7"


def test_a_refusal_keeps_slurms_words_in_one_line():
    words = read_answer(REFUSED[0]).words
    refused = "Batch job submission failed: Invalid partition name specified"
    assert words == f"error: invalid partition specified: nope; error: {refused}"


@pytest.mark.parametrize(
    ("text", "named"),
    [(REFUSED[0], "sinfo -s"), (REFUSED[1], "account"), (REFUSED[4], "memory_gb"), (REFUSED[6], "pack")],
)
def test_advice_fits_the_refusal(text, named):
    assert named in advise(read_answer(text).words)


def test_there_is_advice_for_refusals_that_nobody_foresaw():
    assert advise("error: the moon is full") == "correct what it complains about"
