"""Operations on a whole workspace: create, demo, doctor, backup, metrics, report."""
