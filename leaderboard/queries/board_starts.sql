-- From when on the boards that were added later are complete.
SELECT board, complete_from FROM board_starts
