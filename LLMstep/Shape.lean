module
public meta import Lean
public meta import LLMstep.Text
public meta section
open Lean Meta

/-!
# The shape of a goal

What a goal looks like tells which steps anybody would take before thinking: `intro` for an
implication, `obtain` for a conjunction among the hypotheses, a term that is put together from them. These steps cost a search no
question to the model. They are texts like a model's, and are checked like them.

```
example (p q r : Prop) (h : p ∧ q) (f : p → q → r) : r ∨ p := by
  -- `directProof?` is `some "exact .inl (f h.1 h.2)"`
  exact .inl (f h.1 h.2)
```
-/
namespace LLMstep

/-- A hypothesis or variable that a tactic can name. `name` is a term of atomic precedence: `h`, or `h.1` for a part of `h`. -/
structure Named where
  name : String
  type : Expr

/-- What can be named at a goal: propositions and the rest; `taken`: all names that are in use there. -/
structure Surroundings where
  facts : Array Named
  objects : Array Named
  taken : Array String
  target : Expr

/-- The surroundings of the goal in whose context this runs. A name that a later one hides is left out. -/
def surroundings (goal : MVarId) : MetaM Surroundings := do
  let mut named : Array (Named × Bool) := #[]
  let mut taken := #[]
  for fvarId in (← getLCtx).getFVarIds do
    let decl ← fvarId.getDecl
    if decl.isImplementationDetail then continue
    let name := toString decl.userName
    taken := taken.push (toString decl.userName.eraseMacroScopes)
    if decl.userName.hasMacroScopes || decl.userName.isAnonymous then continue
    let type ← instantiateMVars decl.type
    named := (named.filter fun (other, _) => other.name != name).push ({ name, type }, ← isProp type)
  return {
    facts := (named.filter (·.2)).map (·.1), objects := (named.filter (!·.2)).map (·.1), taken
    target := (← instantiateMVars (← goal.getType)).consumeMData }

/-- A name like `base` that is not in use. -/
def freshName (taken : Array String) (base : String) : String := Id.run do
  unless taken.contains base do return base
  for i in [1:taken.size + 2] do
    unless taken.contains s!"{base}{i}" do return s!"{base}{i}"
  return base

/-- How a proof of `type` may be called: `hp` for `p` and `p x`, else `h`. -/
def baseName (type : Expr) : MetaM String := do
  let head := type.getAppFn
  unless head.isFVar do return "h"
  let name := toString (← head.fvarId!.getUserName)
  return if name.length == 1 && name.toList.all (·.isAlpha) then s!"h{name}" else "h"

/-- How the variable that `binder` binds may be called. -/
private def binderName (binder : Expr) (other : String) : String :=
  let name := binder.bindingName!
  if name.hasMacroScopes || name.isAnonymous then other else toString name

/-! ## Proofs put together from the hypotheses -/

/-- The parts of conjunctions, by projection. -/
private partial def withParts (fact : Named) : Array Named :=
  let args := fact.type.getAppArgs
  if fact.type.isAppOf ``And && args.size == 2 then
    #[fact] ++ withParts { name := s!"{fact.name}.1", type := args[0]! } ++ withParts { name := s!"{fact.name}.2", type := args[1]! }
  else #[fact]

private def atomic (term : String) : String :=
  if term.toList.contains ' ' && !term.startsWith "⟨" then s!"({term})" else term

/-- A term of type `target` from the facts, by at most `fuel` applications one inside the other. `looks` counts down. -/
private partial def findTerm? (facts objects : Array Named) (looks : IO.Ref Nat) (fuel : Nat) (target : Expr) : MetaM (Option String) := do
  let target := (← instantiateMVars target).consumeMData
  for fact in facts do
    if fact.type == target then return some fact.name
  if (← looks.get) == 0 then return none
  let args := target.getAppArgs
  if target.isConstOf ``True then return some "trivial"
  if target.isAppOf ``And && args.size == 2 then
    let some left ← findTerm? facts objects looks fuel args[0]! | return none
    let some right ← findTerm? facts objects looks fuel args[1]! | return none
    return some s!"⟨{left}, {right}⟩"
  if target.isAppOf ``Or && args.size == 2 then
    if let some left ← findTerm? facts objects looks fuel args[0]! then return some s!".inl {atomic left}"
    if let some right ← findTerm? facts objects looks fuel args[1]! then return some s!".inr {atomic right}"
  if target.isAppOf ``Iff && args.size == 2 then
    let implication? (a b : Expr) := facts.find? fun fact => fact.type.isForall && fact.type.bindingDomain! == a && fact.type.bindingBody! == b
    if let (some there, some back) := (implication? args[0]! args[1]!, implication? args[1]! args[0]!) then
      return some s!"⟨{there.name}, {back.name}⟩"
    if let some fact := facts.find? fun fact => fact.type.isAppOf ``Iff && fact.type.getAppArgs == #[args[1]!, args[0]!] then
      return some s!"{fact.name}.symm"
  if target.isAppOf ``Eq && args.size == 3 then
    for fact in facts do
      let sides := fact.type.getAppArgs
      if fact.type.isAppOf ``Eq && sides.size == 3 && sides[1]! == args[2]! && sides[2]! == args[1]! then
        return some s!"{fact.name}.symm"
    if target.hasExprMVar then
      if ← isDefEq args[1]! args[2]! then return some "rfl"
  if target.isAppOf ``Exists && args.size == 2 && fuel > 0 then
    let saved ← Meta.saveState
    let witness ← mkFreshExprMVar (some args[0]!)
    if let some proof ← findTerm? facts objects looks (fuel - 1) (mkApp args[1]! witness).headBeta then
      unless (← instantiateMVars witness).hasExprMVar do return some s!"⟨_, {proof}⟩"
      -- It is right for anything there is.
      if let some object := objects.find? (·.type == args[0]!) then return some s!"⟨{object.name}, {proof}⟩"
    saved.restore
  for fact in facts do
    if (← looks.get) == 0 then return none
    looks.modify (· - 1)
    if let some term ← applied? fact then return some term
  return none
where
  /-- `fact` applied to what it needs to prove `target`. -/
  applied? (fact : Named) : MetaM (Option String) := do
    let saved ← Meta.saveState
    let found ← arguments? fact.name fact.type
    unless found.isSome do
      saved.restore
      if fact.type.isAppOf ``Iff && fuel > 0 then
        let sides := fact.type.getAppArgs
        for (field, wanted, given) in [("mp", sides[1]!, sides[0]!), ("mpr", sides[0]!, sides[1]!)] do
          if wanted == target then
            if let some proof ← findTerm? facts objects looks (fuel - 1) given then return some s!"{fact.name}.{field} {atomic proof}"
    return found
  arguments? (head : String) (type : Expr) : MetaM (Option String) := do
    unless type.isForall || type.isAppOf ``Not do
      return if target.hasExprMVar && (← isDefEq type target) then some head else none
    if fuel == 0 then return none
    if type.isAppOf ``Not then
      unless target.isConstOf ``False do return none
      let some proof ← findTerm? facts objects looks (fuel - 1) type.getAppArgs[0]! | return none
      return some s!"{head} {atomic proof}"
    let (arguments, infos, result) ← forallMetaTelescope type
    unless ← isDefEq result target do
      -- `∀ x, ¬ p x` proves `False`, too.
      unless result.isAppOf ``Not && target.isConstOf ``False do return none
      return ← finish head arguments infos (some result.getAppArgs[0]!)
    finish head arguments infos none
  finish (head : String) (arguments : Array Expr) (infos : Array BinderInfo) (last? : Option Expr) : MetaM (Option String) := do
    -- The proofs first: they settle what the other variables are.
    let mut proofs : Array (Option String) := #[]
    for argument in arguments do
      let type ← instantiateMVars (← inferType argument)
      if ← isProp type then
        let some proof ← findTerm? facts objects looks (fuel - 1) type | return none
        proofs := proofs.push (some proof)
      else proofs := proofs.push none
    let mut text := head
    for (info, proof?) in infos.toList.zip proofs.toList do
      if info.isExplicit then text := s!"{text} {atomic (proof?.getD "_")}"
      else if proof?.isSome then return none
    if let some last := last? then
      let some proof ← findTerm? facts objects looks (fuel - 1) last | return none
      text := s!"{text} {atomic proof}"
    return some text

/-- A term of type `target` from the facts. What is unified on the way is undone. -/
private def term? (facts objects : Array Named) (looks fuel : Nat) (target : Expr) : MetaM (Option String) := do
  let saved ← Meta.saveState
  try withReducible (findTerm? facts objects (← IO.mkRef looks) fuel target)
  catch _ => return none
  finally saved.restore

/-- All facts and their parts, those that need nothing else in front. -/
private def allParts (around : Surroundings) : Array Named :=
  let parts := around.facts.flatMap withParts
  let needs (fact : Named) := fact.type.isForall || fact.type.isAppOf ``Not
  parts.filter (!needs ·) ++ parts.filter needs

/-- `exact` with a term that the hypotheses make up, if there is a short one. -/
def directProof? (around : Surroundings) : MetaM (Option String) := do
  let facts := allParts around
  if let some term ← term? facts around.objects 400 3 around.target then return some s!"exact {term}"
  unless around.target.isConstOf ``False do
    if let some term ← term? facts around.objects 200 2 (mkConst ``False) then return some s!"exact False.elim {atomic term}"
  return none

/-! ## Steps that lose nothing -/

/-- Whether one of the facts, or a part of one, is `type`. -/
private def isKnown (around : Surroundings) (type : Expr) : Bool :=
  around.facts.any fun fact => (withParts fact).any (·.type == type)

/-- Names for all that `intro` can take from the target; empty if that is nothing. -/
private def introNames (around : Surroundings) : MetaM (Array String) := do
  let mut names := #[]
  let mut taken := around.taken
  let mut target := around.target
  repeat
    let base ←
      if target.isForall then
        let domain := target.bindingDomain!
        let proves ← if domain.hasLooseBVars then pure true else isProp domain
        let other ← if proves then (if domain.hasLooseBVars then pure "h" else baseName domain) else pure "x"
        pure (binderName target other)
      else if target.isAppOf ``Not || target.isAppOf ``Ne then pure "h"
      else break
    let name := freshName taken base
    names := names.push name
    taken := taken.push name
    unless target.isForall do break
    target := target.bindingBody!.consumeMData
  return names

/-- Lemmas of core by which a negation is taken apart: the form, the lemma, and how many names its result needs. -/
private def negations : List (Name × Name × Nat) := [
  (``Or, `not_or, 2), (``Not, `Classical.not_not, 1), (``Exists, `not_exists, 1), (``Iff, `Classical.not_iff, 1)]

/-- Ways to take a hypothesis apart that can be undone, as texts. -/
private def takeApart (around : Surroundings) (env : Environment) (fact : Named) : MetaM (Array String) := do
  -- What is taken apart needs its name no longer.
  let taken := around.taken.filter (· != fact.name)
  let name (base : String) (others : Array String := #[]) := freshName (taken ++ others) base
  let args := fact.type.getAppArgs
  let pair (left right : String) (by' : String) :=
    let first := name left
    s!"obtain ⟨{first}, {name right #[first]}⟩ := {by'}"
  -- A negation is not used up by a lemma, but need not be looked at again: what follows from it takes its name.
  let hide (right : String) (proof : String) := s!"obtain ⟨{fact.name}, {name right #[fact.name]}⟩ := {proof}"
  if args.size == 2 && (fact.type.isAppOf ``And || fact.type.isAppOf ``Iff) then
    let (left, right) ← if fact.type.isAppOf ``And then pure (← baseName args[0]!, ← baseName args[1]!) else pure ("h", "h")
    return #[pair left right fact.name]
  if fact.type.isAppOf ``Exists && args.size == 2 then
    let x := if args[1]!.isLambda then binderName args[1]! "x" else "x"
    return #[pair x "h" fact.name]
  if fact.type.isAppOf ``Eq && args.size == 3 && (args[1]!.isFVar || args[2]!.isFVar) then return #[s!"subst {fact.name}"]
  if fact.type.isAppOf ``Not && args.size == 1 then
    -- What is shadowed comes back when its namesake is used up: what it says must not be taken out twice.
    let inner := args[0]!.getAppArgs
    let said := if args[0]!.isAppOf ``Not then inner else if args[0]!.isAppOf ``Or then inner.map mkNot else #[]
    let mut known := !said.isEmpty
    for type in said do
      if (← term? (allParts around) #[] 50 1 type).isNone then known := false
    if known then return #[]
    for (form, lemma', results) in negations do
      if args[0]!.isAppOf form && env.contains lemma' then
        let proof := s!"{lemma'}.mp {fact.name}"
        return #[if results == 2 then hide "h" proof else s!"have {fact.name} := {proof}"]
    if args[0]!.isForall then
      let domain := args[0]!.bindingDomain!
      if ← isProp domain then
        if env.contains `Classical.not_imp then return #[hide "h" s!"Classical.not_imp.mp {fact.name}"]
      else if env.contains `Classical.not_forall then
        let x := name (binderName args[0]! "x") #[fact.name]
        return #[s!"obtain ⟨{x}, {fact.name}⟩ := Classical.not_forall.mp {fact.name}"]
  return #[]

/-- Ways to split the goal by cases that a hypothesis offers. -/
private def splitByCases (around : Surroundings) (env : Environment) (fact : Named) : MetaM (Array String) := do
  let name (base : String) := freshName (around.taken.filter (· != fact.name)) base
  let args := fact.type.getAppArgs
  if fact.type.isAppOf ``Or && args.size == 2 then
    if isKnown around args[0]! || isKnown around args[1]! then return #[]
    return #[s!"rcases {fact.name} with {name (← baseName args[0]!)} | {name (← baseName args[1]!)}"]
  if fact.type.isAppOf ``Not && args.size == 1 && args[0]!.isAppOf ``And && env.contains `Classical.not_and_iff_or_not_not then
    let parts := args[0]!.getAppArgs
    if parts.any fun part => isKnown around (mkNot part) then return #[]
    return #[s!"rcases Classical.not_and_iff_or_not_not.mp {fact.name} with {fact.name} | {fact.name}"]
  return #[]

/-- What follows at once from an implication among the hypotheses and is not known yet. -/
private def forward (around : Surroundings) (fact : Named) : MetaM (Array String) := do
  unless fact.type.isForall && !fact.type.bindingBody!.hasLooseBVars do return #[]
  let conclusion := fact.type.bindingBody!
  if isKnown around conclusion || !(← isProp conclusion) then return #[]
  let domain := fact.type.bindingDomain!
  unless ← isProp domain do return #[]
  let some proof ← term? (allParts around) #[] 50 1 domain | return #[]
  return #[s!"have {freshName around.taken (← baseName conclusion)} := {fact.name} {atomic proof}"]

/-- Steps after which the goal is as provable as it was, the best first. Only the first that runs is worth taking. -/
def safeSteps (around : Surroundings) : MetaM (Array String) := do
  let env ← getEnv
  let names ← introNames around
  let mut steps := #[]
  unless names.isEmpty do steps := steps.push s!"intro {" ".intercalate names.toList}"
  for fact in around.facts do steps := steps ++ (← takeApart around env fact)
  if around.target.isAppOf ``And || around.target.isAppOf ``Iff then steps := steps.push "constructor"
  for fact in around.facts do steps := steps ++ (← forward around fact)
  for fact in around.facts do steps := steps ++ (← splitByCases around env fact)
  return steps

/-! ## Steps that may lead astray -/

/-- A step and what it costs a search: about the negated logarithm of how likely it is the right one. -/
structure Choice where
  tactic : String
  cost : Float

/-- The conclusion of `type` and how many premises it has. -/
private def conclusion (type : Expr) : Expr × Nat := Id.run do
  let mut result := type
  let mut premises := 0
  while result.isForall do
    result := result.bindingBody!
    premises := premises + 1
  return (result, premises)

/-- Ways to use a hypothesis for the target. -/
private def uses (around : Surroundings) (fact : Named) : MetaM (Array Choice) := do
  let (result, premises) := conclusion fact.type
  let head := result.getAppFn
  let price := 0.6 + 0.15 * Float.ofNat premises
  let mut found := #[]
  if premises > 0 && (head == around.target.getAppFn || !(head.isConst || head.isFVar)) then
    found := found.push { tactic := s!"apply {fact.name}", cost := price }
  if result.isAppOf ``Not && around.target.isConstOf ``False then
    found := found.push { tactic := s!"apply {fact.name}", cost := price }
  else if result.isAppOf ``Not && premises == 0 then
    found := found.push { tactic := s!"refine absurd ?_ {fact.name}", cost := 1.6 }
  if result.isAppOf ``Iff && premises > 0 then
    let blanks := String.join (List.replicate premises " _")
    found := found.push { tactic := s!"apply ({fact.name}{blanks}).mp", cost := 1.3 }
      |>.push { tactic := s!"apply ({fact.name}{blanks}).mpr", cost := 1.3 }
  if result.isAppOf ``Eq || result.isAppOf ``Iff then
    found := found.push { tactic := s!"rw [{fact.name}]", cost := 1.0 } |>.push { tactic := s!"rw [← {fact.name}]", cost := 1.5 }
  -- For a variable of the right kind, a universal statement says something new.
  if fact.type.isForall && fact.type.bindingBody!.hasLooseBVars then
    let domain := fact.type.bindingDomain!
    unless ← isProp domain do
      for object in around.objects do
        if object.type == domain then
          found := found.push { tactic := s!"have {freshName around.taken "h"} := {fact.name} {object.name}", cost := 1.1 }
  return found

/-- Propositions whose truth would settle something: premises of hypotheses, parts of the target. -/
private def undecided (around : Surroundings) : MetaM (Array Expr) := do
  let mut found : Array Expr := #[]
  let mut parts := #[]
  for fact in around.facts do
    if fact.type.isForall && !fact.type.bindingBody!.hasLooseBVars then parts := parts.push fact.type.bindingDomain!
  if around.target.isAppOf ``Or then parts := parts ++ around.target.getAppArgs
  for part in parts do
    if part.hasExprMVar || !(← isProp part) then continue
    if isKnown around part || isKnown around (mkNot part) || found.contains part then continue
    found := found.push part
  return found

/-- Variables that the target speaks of and that can be taken apart by induction or by cases. -/
private def inductions (around : Surroundings) : Array Choice := Id.run do
  let mut found := #[]
  for object in around.objects do
    let branches? : Option (List (String × List String)) :=
      if object.type.isConstOf ``Nat then some [("zero", []), ("succ", ["n", "ih"])]
      else if object.type.isAppOf ``List then some [("nil", []), ("cons", ["x", "xs", "ih"])]
      else none
    if let some branches := branches? then
      let line : String × List String → String := fun (constructor, names) => Id.run do
        let mut taken := around.taken.filter (· != object.name)
        let mut text := s!"| {constructor}"
        for base in names do
          let name := freshName taken base
          taken := taken.push name
          text := s!"{text} {name}"
        return s!"{text} => ?_"
      found := found.push { tactic := "\n".intercalate (s!"induction {object.name} with" :: branches.map line), cost := 2.0 }
    else if object.type.isConstOf ``Bool then found := found.push { tactic := s!"cases {object.name}", cost := 1.0 }
  return found

/-- Steps that may be right, with their costs. -/
def choices (around : Surroundings) : MetaM (Array Choice) := do
  let target := around.target
  let args := target.getAppArgs
  let mut found : Array Choice := #[]
  if target.isAppOf ``Or then
    found := found.push { tactic := "left", cost := 0.7 } |>.push { tactic := "right", cost := 0.7 }
  if target.isAppOf ``Exists && args.size == 2 then
    for object in around.objects do
      if object.type == args[0]! then found := found.push { tactic := s!"refine ⟨{object.name}, ?_⟩", cost := 0.9 }
    found := found.push { tactic := "apply Exists.intro", cost := 1.3 }
    if args[0]!.isConstOf ``Nat || args[0]!.isConstOf ``Int then
      for n in [:5] do found := found.push { tactic := s!"refine ⟨{n}, ?_⟩", cost := 1.5 + 0.1 * Float.ofNat n }
  for fact in around.facts do found := found ++ (← uses around fact)
  if target.isAppOf ``Eq && args.size == 3 && args[0]!.isForall then
    found := found.push { tactic := s!"funext {freshName around.taken "x"}", cost := 0.4 }
  if target.isAppOf ``Eq && args.size == 3 && args[0]!.isProp then
    found := found.push { tactic := "apply propext", cost := 0.4 }
  if (target.find? fun part => part.isConstOf ``ite || part.isConstOf ``dite).isSome then
    found := found.push { tactic := "split", cost := 0.6 }
  for part in ← undecided around do
    let text := (← ppExpr part).pretty 10000
    found := found.push { tactic := s!"by_cases {freshName around.taken (← baseName part)} : {text}", cost := 1.2 }
  unless target.isConstOf ``False || isKnown around (mkNot target) do
    found := found.push { tactic := s!"refine Classical.byContradiction fun {freshName around.taken "h"} => ?_", cost := 1.7 }
  return found ++ inductions around

end LLMstep
