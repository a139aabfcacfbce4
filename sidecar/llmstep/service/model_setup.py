"""One model as the settings want it used: its template, its window, how it is drawn from."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from llmstep.backends import LLAMA_CPP, TRANSFORMERS
from llmstep.backends.base import DEFAULT_CONTEXT, Backend, BackendOptions, Sampling
from llmstep.config import MAX_CANDIDATES, Settings
from llmstep.errors import ModelFileError, ModelNotFoundError
from llmstep.limits import explain_limit
from llmstep.prompts.mention import Mention
from llmstep.prompts.template import BuiltPrompt, Template, build_prompts, load_template
from llmstep.service.catalog import ResolvedModel, find_model
from llmstep.service.question import Document

if TYPE_CHECKING:
    from llmstep.prompts.proof_template import ProofTemplate

# Tokens for the file, the statement and an earlier attempt in the prompt of a whole proof.
_PROOF_PROMPT = 3072
# The other sources fill what the model leaves of a list: a server is asked for few candidates, as
# each costs time. Where the backend chooses the tokens, many are begun, and those given up that
# turn out much less likely than others: half of the time went into the tails of one or two.
_MOST_ASKED = 10
_MOST_BEGUN = 24
_LEAST_SHARE = 0.03


@attrs.frozen
class ModelSetup:
    """What there is to know of a model before it is loaded.

    Attributes:
        settings: Settings that its prompts and its sampling follow.
        proof: How it is asked for whole proofs; ``None`` if it writes single steps only.
    """

    model: ResolvedModel
    template: Template
    options: BackendOptions
    settings: Settings
    proof: ProofTemplate | None = None

    @property
    def chooses_tokens(self) -> bool:
        """Whether its backend chooses each token itself; the others send whole candidates."""
        return self.model.backend in (LLAMA_CPP, TRANSFORMERS)

    def sampling(self, n: int | None = None) -> Sampling:
        """How to draw ``n`` candidates; what the settings leave open, the card says."""
        card, settings = self.model.card.sampling, self.settings

        def first(setting: float | None, own: float) -> float:
            return own if setting is None else setting

        return Sampling(
            n=n or settings.n,
            max_tokens=int(first(settings.max_tokens, card.max_tokens)),
            temperature=first(settings.temperature, card.temperature),
            top_p=first(settings.top_p, card.top_p),
            seed=settings.seed,
        )

    def beside_others(self, sampling: Sampling) -> Sampling:
        """How candidates are drawn where other sources have filled the list already."""
        if not self.chooses_tokens:
            return attrs.evolve(sampling, n=min(sampling.n, _MOST_ASKED))
        n = min(3 * sampling.n, max(sampling.n, _MOST_BEGUN))
        return attrs.evolve(sampling, n=n, least_share=_LEAST_SHARE)

    def prompts(
        self,
        backend: Backend,
        goals: Sequence[str],
        document: Document | None,
        sampling: Sampling,
        prefix: str = "",
        premises: Sequence[str] = (),
        retrieved: Sequence[Mention] = (),
    ) -> list[BuiltPrompt]:
        """Fill the template with a question, within the loaded backend's window.

        Raises:
            PromptTooLongError: Not even an abbreviated goal fits.
            InvalidParamsError: The template requires what the question does not bring.
        """
        room = backend.info.context_tokens - sampling.max_tokens
        return build_prompts(
            self.template,
            goals,
            document.text_before if document else "",
            budget=room - backend.count_tokens(prefix),
            count_tokens=backend.count_tokens,
            premises=premises,
            retrieved=retrieved,
        )

    def fingerprint(self) -> dict[str, object]:
        """What an answer depends on besides the question, as plain values."""
        return {
            "model": self.model.fingerprint(),
            "backend": self.model.backend,
            "template": self.template.digest,
            "context_tokens": self.settings.context_tokens,
            "stop": self.model.card.stop,
        }

    def reads(self, field: str) -> bool:
        """Whether a prompt has a place for a field of the question."""
        return any(field in prompt.fields for prompt in self.template.prompts)

    @property
    def states_premises(self) -> bool:
        """Whether a prompt shows what premises say."""
        return any(prompt.states_premises for prompt in self.template.prompts)


def find_setup(settings: Settings, name: str | None = None) -> ModelSetup:
    """Find a model and its template; nothing is loaded.

    Args:
        settings: Resolved settings.
        name: Name of the model, as the setting ``model`` takes it; the setting's if ``None``.

    Raises:
        ModelNotFoundError: No card and no file answers to the name.
        ModelFileError: The file is of a kind that cannot be run, or its card is wrong.
        BackendUnavailableError: No backend of this version can run it.
    """
    try:
        model = find_model(settings.model if name is None else name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ModelNotFoundError("the model's name is too long for a path") from None
        if explain_limit(error) is not None:
            raise
        raise ModelFileError(
            f"{error.filename or 'the model'} cannot be read: {error.strerror or error}",
            hint="Make it readable for you, or choose another model.",
        ) from None
    template = load_template(settings.prompt or model.card.prompt)
    wanted = settings.proof_prompt or model.card.proof
    proof = None
    if wanted:
        from llmstep.prompts.proof_template import load_proof_template

        proof = load_proof_template(wanted)
    options = BackendOptions(
        path=model.path,
        context_tokens=settings.context_tokens or _own_window(model, proof),
        threads=settings.threads,
        max_candidates=MAX_CANDIDATES,
        prompt_slots=len(template.prompts),
        precision=settings.precision,
        allow_pickle=settings.allow_pickle,
        remote_model=model.remote_model,
    )
    return ModelSetup(model, template, options, settings, proof)


def _own_window(model: ResolvedModel, proof: ProofTemplate | None) -> int:
    """The context window; whole proofs and the thought before them need more than steps."""
    trained = model.card.context_length
    if model.path is None:
        proof = None  # the window is the server's affair
    wanted = max(DEFAULT_CONTEXT, _PROOF_PROMPT + proof.most_tokens) if proof else DEFAULT_CONTEXT
    if trained:
        return min(trained, wanted)
    return wanted if proof else 0
