prelude
import Init.L
