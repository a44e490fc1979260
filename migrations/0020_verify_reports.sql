-- `projector verify` reads months as query does.
grant select on active_generation to tidemark_projector;
