"""nnU-Net names most of its tensors several times; a checkpoint holds each once."""

from __future__ import annotations

import torch


def test_a_checkpoint_holds_every_weight_once_and_opens_in_nnunets_network_under_all_its_names(tiny_run):
    from clbench.job.stage import trainee_of

    job = tiny_run.jobs("finetune")[1]
    trainee = trainee_of(job, tiny_run.store)
    weights = tiny_run.model(job)["network_weights"]
    network = trainee.parts(trainee.spec.tasks[0]).network()
    places = {value.data_ptr(): value.numel() for value in weights.values()}
    assert sum(places.values()) == sum(p.numel() for p in network.parameters())
    network.load_state_dict(weights)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
