"""Words and symbols of Lean 4 that decide where a tactic or a command begins and ends."""

from __future__ import annotations


def symbols(text: str) -> frozenset[str]:
    """The words and symbols of a text, which blanks stand between."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """A table written as one key and one value after the other, with blanks between."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


# Keywords and names that close a goal without proving it, or prove it by trusting the compiler
# (the axioms Lean.ofReduceBool and Lean.trustCompiler).
UNSOUND_WORDS = symbols("sorry admit stop native_decide")
UNSOUND_NAMES = symbols("sorryAx ofReduceBool ofReduceNat trustCompiler")
# Query tactics are slow (`exact?` searches the whole library), print their own suggestions and
# are not what a finished proof holds; the rest runs arbitrary code, sleeps, lifts Lean's limits,
# or would call this program again.
UNWANTED_WORDS = symbols(
    """
    exact? apply? rw? rewrite? rewrites? simp? simp!? simpa? simp_all? dsimp? have? observe?
    try? grind? aesop? aesop_unfold? norm_num? decide? bound? field_simp? positivity? says
    hint show_term polyrith plausible slim_check llmstep llmsearch llmqed suggest_tactics
    search_proof select_premises run_tac run_cmd run_meta by_elab unsafe sleep maxHeartbeats
    maxRecDepth synthInstance.maxHeartbeats
    """
)

# A tactic cannot end in these; a line that does goes on in the next one. `*`, `⊢` and `+` are not
# among them: `simp at *`, `simp at h ⊢`, `exact mk ℕ+`.
OPEN_WORDS = symbols("by with using from then else do fun at in calc generalizing")
OPEN_SYMBOLS = symbols(
    """
    := => , <;> <|> <| |> |>. ← <- → -> ↔ ∧ ∨ ¬ ∀ ∃ λ ↦ = ≠ < > ≤ ≥ - / ∘ ∈ ∉ ⊆ ∣ ▸ : ; | ·
    . $
    """
)
# No tactic starts with these, so at the start of a line they belong to the line before.
JOINING_WORDS = symbols("_ with using from then else by at generalizing")
JOINING_SYMBOLS = symbols("| <;> <|> <| |> |>. := => , : ; = ≠ < > ≤ ≥ ∧ ∨ → ↔ + / ∘ ∣ ∈ ∉ ⊆ ▸")
# After one of these, `;` separates steps inside the tactic rather than ending it.
SEQUENCE_WORDS = symbols(
    """
    by do calc conv all_goals any_goals try repeat repeat' repeat1 repeat1' focus iterate
    first case case' next on_goal pick_goal let have haveI letI show suffices fun
    """
)
SEQUENCE_SYMBOLS = symbols("=> · | ↦")
# Tactics that mean nothing without an argument.
NEED_ARGUMENT = symbols(
    """
    exact apply refine refine' rw rewrite erw nth_rw simp_rw use exists show change have let
    set obtain rcases cases cases' induction induction' specialize generalize suffices calc
    conv convert rename rename_i replace haveI letI unfold clear revert subst apply_fun
    exacts fapply eapply case next lift filter_upwards by_cases
    """
)

# Words behind which a block of steps begins.
BLOCK_OPENERS = symbols("by decreasing_by")
# Tactics before another tactic, which may stand behind them.
WRAPPING_TACTICS = symbols(
    "try repeat repeat' repeat1 repeat1' all_goals any_goals focus first iterate"
)
# Tactics with arms: behind their `=>` stand tactics.
ARM_TACTICS = symbols("case case' next on_goal cases induction match fun_induction fun_cases nofun")
# Words that bind names, up to a comma, a colon or an arrow.
BINDERS = symbols("fun λ ∀ ∃ ∃!")
# Tactics whose arguments are new names; new names up to a colon or `:=`; new names behind `with`.
BINDING_TACTICS = symbols("intro intros rintro ext ext1 funext rename_i case case' next unhygienic")
NAMING_TACTICS = symbols("have haveI let letI set obtain suffices by_cases replace by_contra")
PATTERN_TACTICS = symbols("rcases cases cases' induction induction' match")

# Commands that stay in force until their section ends, that open a section, that import, and all
# others that start at the beginning of a line.
SCOPED = symbols("open variable variables universe universes set_option include omit export local")
FRAMES = symbols("namespace section mutual")
IMPORTS = symbols("import module prelude")
DECLARATIONS = symbols(
    """
    theorem lemma def abbrev instance example structure class inductive coinductive axiom
    opaque constant notation notation3 infix infixl infixr prefix postfix macro macro_rules
    syntax elab elab_rules declare_syntax_cat attribute deriving initialize
    builtin_initialize alias simproc dsimproc simproc_decl register_simp_attr
    register_option add_decl_doc run_cmd run_meta assert_not_exists library_note
    grind_pattern initialize_simps_projections proof_wanted irreducible_def
    compile_inductive unseal seal unif_hint unsafe private protected public meta
    noncomputable partial nonrec scoped irreducible recommended_spelling
    """
)
# Words in front of a declaration's keyword.
MODIFIERS = symbols(
    """
    private protected public meta noncomputable partial nonrec scoped local unsafe
    irreducible
    """
)
