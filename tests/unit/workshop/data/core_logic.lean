-- Core Lean's lemmas and macros that the generated rows name and the stand-in library lacks.
theorem Or.symm {a b : Prop} : a ∨ b → b ∨ a := fun h => match h with | .inl x => .inr x | .inr y => .inl y
theorem Or.elim {a b c : Prop} (h : a ∨ b) (f : a → c) (g : b → c) : c := match h with | .inl x => f x | .inr y => g y
theorem Or.resolve_left {a b : Prop} (h : a ∨ b) (n : ¬a) : b := match h with | .inl x => absurd x n | .inr y => y
theorem Or.comm {a b : Prop} : a ∨ b ↔ b ∨ a := ⟨Or.symm, Or.symm⟩
theorem And.symm {a b : Prop} (h : a ∧ b) : b ∧ a := ⟨h.2, h.1⟩
theorem And.comm {a b : Prop} : a ∧ b ↔ b ∧ a := ⟨And.symm, And.symm⟩
theorem Iff.symm {a b : Prop} (h : a ↔ b) : b ↔ a := ⟨h.mpr, h.mp⟩
theorem and_comm {a b : Prop} : a ∧ b ↔ b ∧ a := And.comm
theorem or_comm {a b : Prop} : a ∨ b ↔ b ∨ a := Or.comm
theorem mt {a b : Prop} (h : a → b) (n : ¬b) : ¬a := fun x => n (h x)
theorem not_not_intro {p : Prop} (h : p) : ¬¬p := fun n => n h
theorem not_or {p q : Prop} : ¬(p ∨ q) ↔ ¬p ∧ ¬q := ⟨fun h => ⟨fun x => h (.inl x), fun y => h (.inr y)⟩, fun h o => match o with | .inl x => h.1 x | .inr y => h.2 y⟩
theorem Exists.imp {α : Sort _} {p q : α → Prop} (h : ∀ a, p a → q a) : (∃ a, p a) → ∃ a, q a := fun ⟨a, x⟩ => ⟨a, h a x⟩
theorem not_exists {α : Sort _} {p : α → Prop} : (¬∃ x, p x) ↔ ∀ x, ¬p x := ⟨fun h x y => h ⟨x, y⟩, fun h ⟨x, y⟩ => h x y⟩
theorem forall_and {α : Sort _} {p q : α → Prop} : (∀ x, p x ∧ q x) ↔ (∀ x, p x) ∧ ∀ x, q x := ⟨fun h => ⟨fun x => (h x).1, fun x => (h x).2⟩, fun h x => ⟨h.1 x, h.2 x⟩⟩
theorem exists_or {α : Sort _} {p q : α → Prop} : (∃ x, p x ∨ q x) ↔ (∃ x, p x) ∨ ∃ x, q x := ⟨fun ⟨x, h⟩ => match h with | .inl a => .inl ⟨x, a⟩ | .inr b => .inr ⟨x, b⟩, fun h => match h with | .inl ⟨x, a⟩ => ⟨x, .inl a⟩ | .inr ⟨x, b⟩ => ⟨x, .inr b⟩⟩
axiom Classical.em (p : Prop) : p ∨ ¬p
theorem Classical.byContradiction {p : Prop} (h : ¬p → False) : p := (Classical.em p).elim id fun n => (h n).elim
theorem Classical.not_not {a : Prop} : ¬¬a ↔ a := ⟨fun h => Classical.byContradiction h, not_not_intro⟩
macro_rules | `(tactic| exists $es,*) => `(tactic| (refine ⟨$es,*, ?_⟩; try trivial))
syntax "by_cases " ident " : " term : tactic
macro_rules | `(tactic| by_cases $h : $e) => `(tactic| (refine Or.elim (Classical.em $e) ?_ ?_ <;> intro $h:ident))
