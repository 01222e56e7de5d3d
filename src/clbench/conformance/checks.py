"""The promises that a method makes, one small check for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from clbench.conformance.laboratory import Trained
from clbench.conformance.subject import Subject, difference
from clbench.conformance.verdict import Verdict, fails, not_claimed, passes
from clbench.job.assembly import assemble

Check = Callable[[Subject], Verdict]
SLACK = 0.05
"""Of a buffer as large as the trunk: what a memory may hold beside what is declared."""


def signature_is_complete(subject: Subject) -> Verdict:
    """The file says what the method is, takes and is neutral at; that the card's settings are its own was read."""
    signature, neutral = subject.signature, subject.method.neutral or {}
    if not signature.title:
        return fails(f"class of {signature.file.name} has no docstring, whose first line is its title")
    wrong = [f"{name}: {message}" for name, value in neutral.items() if (message := signature.problem(name, value))]
    if wrong:
        return fails(f"neutral settings: {'; '.join(wrong)}")
    return passes(f"{len(signature.settings)} settings; {', '.join(subject.variant.scenarios)}")


def learns_one_two_and_many_tasks(subject: Subject) -> Verdict:
    """A sequence of one task, of two and of all of them can be trained; no weight leaves the finite numbers."""
    lengths = (1, 2, subject.length)
    for length in lengths:
        for trained in subject.stages(subject.variant, length):
            if wrong := _not_finite(trained.learnt):
                return fails(f"stage {trained.trainee.spec.stage}: {wrong} is not finite")
    return passes(f"sequences of {', '.join(map(str, lengths))} tasks; all weights finite")


def first_stage_is_plain_training(subject: Subject) -> Verdict:
    """What nobody watches is shared; a watched first stage has the same weights and losses to the bit."""
    first, plain = subject.chain[0], subject.plain[0]
    if not subject.variant.watches_first_stage:
        shared = first.trainee.job.id == plain.trainee.job.id
        return passes("not its own") if shared else fails("it is trained anew although the method does not watch it")
    if place := difference(plain.learnt, first.learnt):
        return fails(f"the watched first stage differs from plain training in {place}")
    if first.document["losses"] != plain.document["losses"]:
        return fails("the watched first stage has other losses than plain training")
    if first.evidence["expected"]:
        return fails("it claims an effect in its first stage, where there is nothing to remember")
    return passes("watched, and equal to plain training to the bit")


def neutral_settings_are_finetuning(subject: Subject) -> Verdict:
    """With its neutral settings a method ends in fine-tuning's weights, to the bit."""
    neutral = subject.neutral
    if neutral is None:
        return not_claimed("it names no neutral settings")
    if place := difference(subject.plain[2].learnt, neutral[2].learnt):
        return fails(f"after three stages {place} differs from finetune's")
    return passes(f"{subject.method.neutral}: three stages, equal to finetune to the bit")


def neutral_settings_are_found_inert(subject: Subject) -> Verdict:
    """A method that does nothing says so."""
    neutral = subject.neutral
    if neutral is None:
        return not_claimed("it names no neutral settings")
    for trained in neutral[1:]:
        if not trained.evidence["inert"]:
            said = trained.evidence["numbers"].get("effect", "nothing")
            return fails(f"neutral settings, stage {trained.trainee.spec.stage}: its effect is {said}, not 0")
    return passes("stamped INERT by its own evidence")


def acts_and_proves_it(subject: Subject) -> Verdict:
    """At the card's settings it claims an effect, has one and trains other weights; or claims and has none."""
    later = subject.chain[1:]
    acted = difference(subject.plain[-1].learnt, later[-1].learnt) is not None
    effects = [trained.evidence["numbers"]["effect"] for trained in later if trained.evidence["expected"]]
    if acted and not effects:
        return fails("it claims nothing, yet trains other weights than finetune")
    if not effects:
        return not_claimed("no effect, and its weights are finetune's")
    if not any(effects):
        return _without_effect(acted, subject)
    if not acted:
        return fails(f"it claims effects up to {max(effects):.3g}, yet its weights are finetune's to the bit")
    return passes(f"effect {min(effects):.3g} to {max(effects):.3g}, other weights than finetune")


def _without_effect(acted: bool, subject: Subject) -> Verdict:
    """A constraint that three tasks never violate may do nothing; six must show that it can act."""
    if acted:
        return fails("its effect is 0 in every stage, yet it trains other weights than finetune")
    if subject.whole:
        return fails("its effect is 0 in every stage, and its weights are finetune's: it would be stamped INERT")
    return not_claimed("its effect is 0 and its weights are finetune's, on these few steps")


def state_survives_a_round_trip(subject: Subject) -> Verdict:
    """What ``state`` returns can be written, read without running code, taken up, and is the same again."""
    for trained in subject.interruptible:
        killed = subject.killed(trained)
        if place := difference(killed.state, killed.state_again()):
            return fails(f"stage {trained.trainee.spec.stage}: state{place} is another after load_state")
    return passes(f"stages {_stages(subject.interruptible)}")


def killed_stage_resumes_to_the_same_bits(subject: Subject) -> Verdict:
    """Killed after an epoch and resumed, a stage has the losses, weights, memory and evidence it has undisturbed."""
    for trained in subject.interruptible:
        resumed = subject.killed(trained).resumed(subject.laboratory)
        if place := difference(_outcome(trained), _outcome(resumed)):
            return fails(f"stage {trained.trainee.spec.stage}, resumed after its first epoch: {place} differs")
    return passes(f"stages {_stages(subject.interruptible)}")


def what_earlier_tasks_have_to_themselves_is_untouched(subject: Subject) -> Verdict:
    """Heads of earlier tasks, where each has its own, and their own weights in the trunk's place never change."""
    chain, heads = subject.chain, subject.chain[-1].trainee.spec.heads == "own"
    kept = [_own(trained, heads) for trained in chain]
    for index, (left, trained) in enumerate(zip(kept, chain, strict=True)):
        for later in kept[index + 1 :]:
            if place := difference(left, {part: _of(later[part], left[part]) for part in left}):
                return fails(f"what stage {trained.trainee.spec.stage} left changed later: {place}")
    return passes("heads and own weights" if heads else "own weights; the heads go on training here")


def memory_is_what_is_declared(subject: Subject) -> Verdict:
    """``memory.pth`` holds what ``buffers`` declares, from stage to stage."""
    sizes = []
    for trained in (subject.chain[index] for index in {1, 2, subject.length - 1}):
        spec, trunk = trained.trainee.spec, 4 * trained.document["cost"]["parameters"]
        declared = _declared(subject, trained)
        held, count = _bytes_of_tensors(trained.memory)
        if abs(held - declared * trunk) > SLACK * trunk * (1 + declared):
            found = f"{held / trunk:.2f} buffers of the trunk's size, not {declared:.3g}"
            return fails(f"stage {spec.stage}: holds {found}")
        written = trained.memory_file.stat().st_size if trained.memory_file.exists() else 0
        if written > held + 1000 * count + 20_000:
            return fails(f"stage {spec.stage}: {written} bytes were written for {held} bytes of tensors")
        sizes.append(f"{declared:.3g}")
    return passes(f"{', '.join(sizes)} buffers of the trunk's size")


def earlier_checkpoints_are_untouched(subject: Subject) -> Verdict:
    """After the last stage, every earlier stage's files have the bytes that they were written with."""
    for trained in subject.chain:
        trained.trainee.folder.check("trained")
    return passes(f"{len(subject.chain)} checkpoints")


CHECKS: tuple[Check, ...] = (
    signature_is_complete, learns_one_two_and_many_tasks, first_stage_is_plain_training,
    neutral_settings_are_finetuning, neutral_settings_are_found_inert, acts_and_proves_it,
    state_survives_a_round_trip, killed_stage_resumes_to_the_same_bits,
    what_earlier_tasks_have_to_themselves_is_untouched, memory_is_what_is_declared, earlier_checkpoints_are_untouched,
)  # fmt: skip

ONCE: tuple[Check, ...] = (
    signature_is_complete, state_survives_a_round_trip, killed_stage_resumes_to_the_same_bits,
)  # fmt: skip
"""Those that need not be held in every scenario."""


def _outcome(trained: Trained) -> dict[str, Any]:
    """All that a stage leaves."""
    known = {name: trained.document[name] for name in ("losses", "evidence")}
    return {**trained.learnt, **known, "memory": trained.memory}


def _stages(chain: list[Trained]) -> str:
    return ", ".join(str(trained.trainee.spec.stage) for trained in chain)


def _own(trained: Trained, heads: bool) -> dict[str, Any]:
    """What tasks have to themselves after a stage."""
    kept = trained.model["clbench"]
    return {"head of": kept["heads"] if heads else {}, "weights of": kept["own"]}


def _of(part: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """The entries of some tasks."""
    return {name: value for name, value in part.items() if name in names}


def _not_finite(learnt: Any) -> str | None:
    """The name of a tensor with a number that is not finite."""
    return next((name for name, tensor in _tensors(learnt, "") if not torch.isfinite(tensor).all()), None)


def _tensors(value: Any, where: str) -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors in a nest, by their places."""
    if isinstance(value, torch.Tensor):
        yield where, value
    elif isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _tensors(inner, f"{where}[{key!r}]")


def _declared(subject: Subject, trained: Trained) -> float:
    """What ``buffers`` says; where it depends on the data, once the stage has begun."""
    earlier = len(trained.trainee.spec.earlier)
    try:
        return subject.method.buffers(earlier)
    except AttributeError:
        _, begun, _ = assemble(trained.trainee)
        return begun.buffers(earlier)


def _bytes_of_tensors(memory: dict[str, Any] | None) -> tuple[int, int]:
    """Bytes behind a memory's tensors, each storage once, and how many tensors there are."""
    tensors = [tensor for _, tensor in _tensors(memory, "")]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values()), len(tensors)
