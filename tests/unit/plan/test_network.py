"""The counted network is the one that nnU-Net builds."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from clbench.nnunet.parts import NnunetParts
from clbench.plan.network import Network


def test_parameters_and_forward_work_are_those_of_the_network_that_nnunet_builds(tiny_run):
    from clbench.job.stage import trainee_of

    prepared = trainee_of(tiny_run.jobs("finetune")[0], tiny_run.store).prepared
    parts = NnunetParts(prepared.plans, prepared.tasks["mini-liver"].dataset_json)
    counted = Network.planned(prepared.plans["configurations"]["3d_fullres"])
    real = parts.network()
    assert counted.parameters == sum(p.numel() for p in real.parameters())
    with FlopCounterMode(display=False) as counter:
        real(torch.zeros(1, 1, *counted.patch))
    assert counted.forward_flop == counter.get_total_flops()


def test_the_nominal_network_has_31_million_parameters_and_a_step_of_two_patches_takes_5_72_tera_flop():
    nominal = Network.nominal()
    assert round(nominal.parameters / 1e6, 1) == 31.2
    assert round(3 * 2 * nominal.forward_flop / 1e12, 1) == 5.7
    assert Network.nominal((64, 64, 64)).forward_flop == nominal.forward_flop / 8
