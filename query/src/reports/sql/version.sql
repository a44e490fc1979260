-- The state of the read models, without reading any of them: one row; none if no generation is active.
select generation_id as "generation_id!", checkpoints as "checkpoints!", today as "today!"
from active_generation
