-- Lemmas of core that steps of a search name and the stand-in library lacks; behind core_logic.lean.
theorem Classical.not_imp {a b : Prop} : ¬(a → b) ↔ a ∧ ¬b := ⟨fun h => ⟨Classical.byContradiction fun n => h fun x => (n x).elim, fun y => h fun _ => y⟩, fun h f => h.2 (f h.1)⟩
theorem Classical.not_forall {α : Sort _} {p : α → Prop} : (¬∀ x, p x) ↔ ∃ x, ¬p x := ⟨fun h => Classical.byContradiction fun n => h fun x => Classical.byContradiction fun m => n ⟨x, m⟩, fun ⟨x, m⟩ h => m (h x)⟩
theorem Classical.not_and_iff_or_not_not {a b : Prop} : ¬(a ∧ b) ↔ ¬a ∨ ¬b := ⟨fun h => (Classical.em a).elim (fun x => .inr fun y => h ⟨x, y⟩) .inl, fun o h => match o with | .inl n => n h.1 | .inr n => n h.2⟩
theorem Classical.not_iff {a b : Prop} : ¬(a ↔ b) ↔ (¬a ↔ b) := ⟨fun h => ⟨fun n => Classical.byContradiction fun m => h ⟨fun x => (n x).elim, fun y => (m y).elim⟩, fun y x => h ⟨fun _ => y, fun _ => x⟩⟩, fun h k => have n : ¬a := fun x => h.mpr (k.mp x) x; n (k.mpr (h.mp n))⟩
