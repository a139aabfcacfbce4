prelude
import Init.M
