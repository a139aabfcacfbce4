/-!
Lemmas of logic with proofs in the styles that people write, for `llmstep data print`: what Lean
prints in the middle of a proof, with its `case` lines, and daggers on names that nobody gave.
They need core Lean alone.
-/

theorem and_swap_cases (p q : Prop) (h : p ∧ q) : q ∧ p := by
  cases h
  constructor
  · assumption
  · assumption

theorem and_swap_named (p q : Prop) (h : p ∧ q) : q ∧ p := by
  cases h with
  | intro hp hq =>
    constructor
    · exact hq
    · exact hp

theorem and_swap_intro (p q : Prop) : p ∧ q → q ∧ p := by
  intro ⟨hp, hq⟩
  exact ⟨hq, hp⟩

theorem and_swap_next (p q : Prop) : p ∧ q → q ∧ p := by
  intro h
  cases h
  rename_i hp hq
  apply And.intro
  · exact hq
  · exact hp

theorem or_swap_cases (p q : Prop) (h : p ∨ q) : q ∨ p := by
  cases h
  · right
    assumption
  · left
    assumption

theorem or_swap_named (p q : Prop) (h : p ∨ q) : q ∨ p := by
  cases h with
  | inl hp =>
    apply Or.inr
    exact hp
  | inr hq =>
    apply Or.inl
    exact hq

theorem or_swap_case (p q : Prop) (h : p ∨ q) : q ∨ p := by
  cases h
  case inl hp =>
    exact Or.inr hp
  case inr hq =>
    exact Or.inl hq

theorem or_swap_next (p q : Prop) (h : p ∨ q) : q ∨ p := by
  rcases h with _ | _
  next hp =>
    exact Or.inr hp
  next hq =>
    exact Or.inl hq

theorem or_rotate (p q r : Prop) : (p ∨ q) ∨ r → p ∨ (q ∨ r) := by
  intro h
  rcases h with (hp | hq) | hr
  · left
    exact hp
  · right
    left
    exact hq
  · right
    right
    exact hr

theorem or_rotate_back (p q r : Prop) : p ∨ (q ∨ r) → (p ∨ q) ∨ r := by
  rintro (hp | hq | hr)
  · exact Or.inl (Or.inl hp)
  · exact Or.inl (Or.inr hq)
  · exact Or.inr hr

theorem distribute (p q r : Prop) : p ∧ (q ∨ r) ↔ (p ∧ q) ∨ (p ∧ r) := by
  constructor
  · intro h
    cases h with
    | intro hp hqr =>
      cases hqr
      · left
        constructor
        · assumption
        · assumption
      · right
        constructor
        · assumption
        · assumption
  · intro h
    rcases h with ⟨hp, hq⟩ | ⟨hp, hr⟩
    · refine ⟨hp, ?_⟩
      left
      exact hq
    · refine ⟨hp, ?_⟩
      right
      exact hr

theorem distribute_or (p q r : Prop) : p ∨ (q ∧ r) ↔ (p ∨ q) ∧ (p ∨ r) := by
  apply Iff.intro
  · rintro (hp | ⟨hq, hr⟩)
    · constructor
      · left
        exact hp
      · left
        exact hp
    · constructor
      · right
        exact hq
      · right
        exact hr
  · rintro ⟨hp | hq, hp' | hr⟩
    · left
      assumption
    · left
      assumption
    · left
      assumption
    · right
      exact ⟨hq, hr⟩

theorem curry (p q r : Prop) : (p ∧ q → r) ↔ (p → q → r) := by
  constructor
  · intro h hp hq
    apply h
    constructor
    · exact hp
    · exact hq
  · intro h
    intro ⟨hp, hq⟩
    apply h
    · exact hp
    · exact hq

theorem curry_unnamed (p q r : Prop) (h : p ∧ q → r) : p → q → r := by
  intros
  apply h
  constructor
  · assumption
  · assumption

theorem or_implies (p q r : Prop) : (p ∨ q → r) ↔ (p → r) ∧ (q → r) := by
  refine ⟨fun h => ?_, fun h => ?_⟩
  · refine ⟨fun hp => ?_, fun hq => ?_⟩
    · apply h
      left
      exact hp
    · apply h
      right
      exact hq
  · obtain ⟨hl, hr⟩ := h
    rintro (hp | hq)
    · exact hl hp
    · exact hr hq

theorem not_or_both (p q : Prop) : ¬(p ∨ q) ↔ ¬p ∧ ¬q := by
  constructor
  · intro h
    constructor
    · intro hp
      apply h
      left
      exact hp
    · intro hq
      apply h
      right
      exact hq
  · intro ⟨hp, hq⟩ h
    cases h
    · contradiction
    · contradiction

theorem contrapose_once (p q : Prop) (h : p → q) : ¬q → ¬p := by
  intro hq hp
  have hq' : q := h hp
  exact hq hq'

theorem contrapose_unnamed (p q : Prop) (h : p → q) : ¬q → ¬p := by
  intro _ hp
  have := h hp
  contradiction

theorem not_both (p : Prop) : ¬(p ∧ ¬p) := by
  intro h
  obtain ⟨hp, hn⟩ := h
  exact hn hp

theorem from_false (p q : Prop) (h : p ∧ ¬p) : q := by
  exfalso
  cases h with
  | intro hp hn =>
    exact hn hp

theorem iff_swap (p q : Prop) (h : p ↔ q) : q ↔ p := by
  cases h
  constructor
  · assumption
  · assumption

theorem iff_chain (p q r : Prop) (h : p ↔ q) (k : q ↔ r) : p ↔ r := by
  constructor
  · intro hp
    apply k.mp
    apply h.mp
    exact hp
  · intro hr
    apply h.mpr
    apply k.mpr
    exact hr

theorem iff_both (p q : Prop) (hp : p) (hq : q) : p ↔ q := by
  constructor
  · intro _
    exact hq
  · intro _
    exact hp

theorem forall_both (α : Type) (p q : α → Prop) : (∀ x, p x ∧ q x) → (∀ x, p x) ∧ ∀ x, q x := by
  intro h
  constructor
  · intro x
    have hx := h x
    exact hx.left
  · intro x
    obtain ⟨_, hq⟩ := h x
    exact hq

theorem forall_each (α : Type) (p q : α → Prop) (h : (∀ x, p x) ∧ ∀ x, q x) (x : α) :
    p x ∧ q x := by
  obtain ⟨hp, hq⟩ := h
  specialize hp x
  constructor
  · exact hp
  · apply hq

theorem exists_to_not_forall (α : Type) (p : α → Prop) (h : ∃ x, ¬p x) : ¬∀ x, p x := by
  intro k
  obtain ⟨x, hx⟩ := h
  apply hx
  apply k

theorem exists_or_left (α : Type) (p q : α → Prop) (h : ∃ x, p x ∨ q x) (k : ∀ x, ¬p x) (r : Prop)
    (l : ∀ x, q x → r) : r := by
  obtain ⟨x, hp | hq⟩ := h
  · exfalso
    exact k x hp
  · apply l
    exact hq

theorem exists_elim_unnamed (α : Type) (p q : α → Prop) (r : Prop) (h : ∃ x, p x ∧ q x)
    (k : ∀ x, p x → r) : r := by
  obtain ⟨_, hp, _⟩ := h
  apply k
  exact hp

theorem shadowed (p q : Prop) : p → q → p ∧ q := by
  intro h
  intro h
  constructor
  · assumption
  · exact h

theorem rewritten (α : Type) (a b c : α) (h : a = b) (k : b = c) : a = c := by
  rw [h]
  exact k

theorem substituted (α : Type) (p : α → Prop) (a b : α) (h : a = b) (k : p a) : p b := by
  subst h
  exact k

theorem stated_on_the_way (p q r : Prop) (h : p → q) (k : q → r) (hp : p) : q ∧ r := by
  have hq : q := by
    apply h
    exact hp
  have hr : r := k hq
  constructor
  · exact hq
  · exact hr

theorem sufficient (p q r : Prop) (h : p ∧ q → r) (hp : p) (hq : q) : r := by
  suffices hpq : p ∧ q by
    apply h
    exact hpq
  constructor
  · exact hp
  · exact hq

theorem shown (p q : Prop) (h : p ∨ q) : q ∨ p := by
  cases h with
  | inl hp =>
    show q ∨ p
    exact Or.inr hp
  | inr hq =>
    show q ∨ p
    exact Or.inl hq

theorem reverted (p q : Prop) (h : p) (k : q) : p ∧ q := by
  revert h
  intro hp
  exact ⟨hp, k⟩
