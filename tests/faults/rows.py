"""Every row of the table of faults, and every requirement that follows from it: where it is held.

The numbers are those under which the faults were first measured: section and row, and for the
sections whose rows have no number of their own the section and a word of the row. A place is a
test's file below `tests/` and its name, with an id of a parameter where it shares the name with
other rows.
"""

from __future__ import annotations

PASSES, SANDBOX = "faults/test_passes.py", "faults/test_sandbox.py"
NUMBERS, OUTPUTS = "faults/test_numbers.py", "faults/test_outputs.py"
CACHE, CONFIGS = "faults/test_cache.py", "faults/test_configs.py"
EXPRESSIONS, LOGS = "faults/test_expressions.py", "faults/test_logs.py"
GROWTH, STOPPED = "faults/test_growth.py", "faults/test_interrupted.py"
PACE, RANGES = "experiments/validate/test_pace.py", "test_ranges.py"
ENTRANCE, PAGE = "rollouts/test_entrance.py", "experiments/render/test_html.py"
SHOWN = "experiments/render/test_output.py"

HOSTILE = {
    "1.1": f"{PASSES}::test_what_float32_cannot_hold_is_refused_with_its_size[1.1]",
    "1.2": f"{PASSES}::test_values_of_any_size_are_judged_as_at_scale_1[1.2]",
    "1.3": f"{PASSES}::test_a_change_after_many_texts_is_dependence_on_earlier_calls[1.3]",
    "1.4": f"{PASSES}::test_dependence_on_the_place_in_a_call_is_a_reason[1.4]",
    "1.5": f"{PASSES}::test_a_second_interpreter_that_was_not_tried_is_not_tested[1.5]",
    "1.6": f"{PASSES}::test_a_drift_is_told_as_the_clocks_and_fails_where_an_hour_outweighs_the_"
    "answer[1.6]",
    "1.7": f"{PASSES}::test_plain_randomness_is_named_and_hides_no_other_check_behind_a_pass[1.7]",
    "1.8": f"{SANDBOX}::test_nothing_outlives_a_killed_supervisor[1.8]",
    "1.9": f"{PACE}::test_the_rate_is_told_once_after_twenty_texts",
    "1.10": f"{PASSES}::test_what_is_printed_is_a_note_with_its_size[1.10]",
    "1.11": f"{SANDBOX}::test_a_call_out_of_time_says_what_memory_it_took_meanwhile[1.11]",
    "1.12": f"{EXPRESSIONS}::test_a_syntax_error_is_called_so[1.12]",
    "1.13": f"{NUMBERS}::test_control_signs_are_escaped_in_json[1.13]",
    "1.14": f"{SANDBOX}::test_an_isolated_reward_writes_nothing_but_scratch[1.14]",
    "1.16": f"{NUMBERS}::test_bfloat16_statistics[1.16]",
    "1.17": f"{NUMBERS}::test_float16_of_loo_std[1.17]",
    "1.18": f"{NUMBERS}::test_whole_numbers_are_read_as_they_are[1.18]",
    "1.19": f"{NUMBERS}::test_rewards_of_another_kind_or_shape[1.19]",
    "1.20": f"{NUMBERS}::test_libraries_are_not_mixed[1.20]",
    "1.21": f"{NUMBERS}::test_rewards_of_another_kind_or_shape[1.21]",
    "1.22": f"{NUMBERS}::test_rewards_of_another_kind_or_shape[1.22]",
    "1.23": f"{NUMBERS}::test_rollouts_are_looked_at_where_they_are_made[1.23]",
    "1.24": f"{NUMBERS}::test_rollouts_are_looked_at_where_they_are_made[1.24]",
    "1.25": f"{RANGES}::test_rewards_are_refused_by_field_value_and_range",
    "1.26": f"{EXPRESSIONS}::test_4a_arguments",
    "1.27": f"{NUMBERS}::test_float16_lengths[1.27]",
}
"""Hostile rewards and nonsense numbers; 1.15 was never given."""

INTERRUPTED = {
    "2a signals": f"{STOPPED}::test_2a_validate_stopped",
    "2c reproduce, its index last": f"{OUTPUTS}::test_2c_reproduce_goes_on_where_it_was_stopped",
    "2c SIGTERM while writing": f"{OUTPUTS}::test_2c_a_signal_cleans_up",
    "2c SIGKILL while writing": "faults/test_leftovers.py::test_2c_what_a_killed_writer_left",
    "2c no resume": f"{OUTPUTS}::test_2c_reproduce_goes_on_where_it_was_stopped",
    "2c device": f"{OUTPUTS}::test_2c_device",
    "2c FIFO": f"{OUTPUTS}::test_2c_fifo",
    "2c symlink": f"{OUTPUTS}::test_2c_symlink",
    "2c two outputs": f"{OUTPUTS}::test_a_place_is_refused_before_the_work[2c-same]",
    "2c disk full": f"{OUTPUTS}::test_2c_disk_full_keeps_the_verdict_and_the_other_files",
    "2c disk full, cache": f"{CACHE}::test_2c_no_space_at_first",
    "2c no name": f"{OUTPUTS}::test_a_place_is_refused_before_the_work[2c-empty]",
    "2c folder": f"{OUTPUTS}::test_a_place_is_refused_before_the_work[2c-folder]",
    "2d report": f"{OUTPUTS}::test_a_place_is_refused_before_the_work[2d-read-only]",
    "2d cache": f"{CACHE}::test_2d_read_only",
    "2d reward": f"{STOPPED}::test_2d_a_reward_file_may_lie_in_a_folder_that_is_closed",
    "2d modes": f"{STOPPED}::test_2d_files_follow_the_umask",
    "2e ledger": "experiments/backtest/test_ledger.py::"
    "test_the_command_resumes_and_writes_page_and_json",
    "2e pairs": f"{GROWTH}::test_5d_writers_at_once_leave_a_whole_file",
    "2e descriptors": f"{OUTPUTS}::test_2c_descriptors",
}
"""Interrupted work."""

INPUTS = {
    "3a duplicated key": f"{LOGS}::test_3a_duplicated_key",
    "3a ids": f"{LOGS}::test_3a_ids_1_and_text_1",
    "3a length 1e200": f"{LOGS}::test_3a_absurd_length",
    "3a length 0": f"{LOGS}::test_3a_all_lengths_0",
    "3a 400 digits": f"{LOGS}::test_3a_400_digits",
    "3a formats": f"{LOGS}::test_3a_other_formats_are_named",
    "3a array": f"{LOGS}::test_3a_json_that_isnt_by_lines_is_read",
    "3a blamed": f"{SANDBOX}::test_a_length_of_the_log_is_not_the_rewards_fault",
    "3b rows": f"{CONFIGS}::test_3b",
    "3b verl": f"{CONFIGS}::test_3b_verl",
    "3b unknown key": "experiments/validate/trainers/test_config.py::"
    "test_a_misspelt_key_is_refused_with_the_nearest",
    "3c relative import": f"{EXPRESSIONS}::test_3c_relative_imports",
    "3c names": f"{EXPRESSIONS}::test_3c_names",
    "3c NUL": f"{EXPRESSIONS}::test_a_syntax_error_is_called_so[3c-NUL]",
}
"""Logs, configurations, reward files."""

SECURITY = {
    "4a deep": f"{EXPRESSIONS}::test_4a_guards_of_every_kind[4a-deep]",
    "4a long": f"{EXPRESSIONS}::test_4a_guards_of_every_kind[4a-long]",
    "4a name": f"{EXPRESSIONS}::test_4a_guards_of_every_kind[4a-name]",
    "4a arguments": f"{EXPRESSIONS}::test_4a_arguments",
    "4b page": f"{PAGE}::test_hostile_text_is_shown_as_text",
    "4b terminal": f"{SHOWN}::test_hostile_text_cannot_steer_the_terminal",
    "4b environment": f"{SANDBOX}::test_only_named_variables_are_passed_on[4b]",
    "4b rights": f"{SANDBOX}::test_an_isolated_reward_has_no_network",
    "4b CSV": f"{SHOWN}::test_4b_no_cell_of_a_csv_table_is_a_formula",
}
"""The expression language, and outputs of hostile text."""

LOAD = {
    "5a rate": f"{PACE}::test_the_rate_is_told_once_after_twenty_texts",
    "5a judge": f"{PACE}::test_a_slow_judge_is_told_how_it_can_be_judged",
    "5a budget": "rewards/test_cache.py::test_a_spent_budget_is_a_plain_answer",
    "5b values": f"{CACHE}::test_5b_values_that_are_no_numbers_are_unknown",
    "5b asked anew": f"{CACHE}::test_5b_they_are_asked_anew_with_a_note",
    "5b held": f"{CACHE}::test_5b_held_by_another_process",
    "5b another file": f"{CACHE}::test_5b_another_file",
    "5c growth": f"{GROWTH}::test_5c_memory_is_flat_over_many_quick_validations",
    "5d large log": f"{GROWTH}::test_5d_100_megabytes",
    "5d at once": f"{GROWTH}::test_5d_writers_at_once_leave_a_whole_file",
    "6 length of nan": f"{NUMBERS}::test_6_a_length_of_nan_in_a_row_of_weight_0",
    "6 every estimator": f"{ENTRANCE}::test_absent_rows_and_tokens_reach_nothing",
    "6 shapers": f"{NUMBERS}::test_6_a_shaper_gives_0_at_weight_0",
    "6 float16": f"{NUMBERS}::test_float16_of_loo_std[1.17]",
    "6 bfloat16": "rollouts/test_dtypes.py::test_halves_in_jax",
    "6 empty": f"{NUMBERS}::test_6_empty_batches_are_named",
    "6 libraries": "faults/torture/test_torture.py::test_200_cases_agree",
}
"""Load, the cache, growth, numbers by fuzzing."""

TRAINING = {
    "9 kill -9": "faults/training/test_runs.py::test_kill_9_within_a_checkpoint_and_the_same_curve",
    "9 kill -9, resumed": "faults/training/test_transfer.py::"
    "test_a_killed_transfer_goes_on_to_the_same_curve",
    "9 full disk": "faults/training/test_runs.py::test_a_full_disk_at_a_checkpoint",
    "9 damaged checkpoint": "faults/training/test_runs.py::"
    "test_damage_of_a_checkpoint_is_found_and_named",
    "9 another kind": "faults/training/test_models.py::test_what_is_no_causal_model_is_refused",
    "9 no pad token": "faults/training/test_models.py::test_a_run_without_a_pad_token",
    "9 NaN loss": "bridge/training/test_trainer.py::test_a_loss_that_is_not_finite_ends_the_run",
    "9 out of memory": "faults/training/test_runs.py::test_out_of_memory_at_an_evaluation",
    "9 workers": "faults/training/test_transfer.py::test_a_process_that_dies_is_told",
    "9 model of validate": "faults/training/test_models.py::"
    "test_validate_says_where_memory_ran_out",
}
"""Training, which the first measurements left out."""

ROWS = {**HOSTILE, **INTERRUPTED, **INPUTS, **SECURITY, **LOAD, **TRAINING}

REQUIREMENTS = {
    1: ("6 length of nan", "6 every estimator"),
    2: ("1.19", "1.22"),
    3: ("3a duplicated key",),
    4: ("1.3", "1.5"),
    5: ("1.4",),
    6: ("3b rows", "3b unknown key"),
    7: ("1.16", "1.17", "1.27", "6 bfloat16"),
    8: ("1.2",),
    9: ("1.25", "4a arguments"),
    10: ("1.23", "1.24"),
    11: ("5b values", "5b asked anew"),
    12: ("6 shapers",),
    13: ("3a ids", "3a length 1e200", "1.6", "1.7"),
    14: ("2c device", "2c FIFO", "2c symlink", "2c two outputs"),
    15: ("2d report", "2c disk full"),
    16: ("2c no resume",),
    17: ("3b rows",),
    18: ("1.9", "5a rate"),
    19: ("1.1",),
    20: ("3a 400 digits", "3b rows", "5b another file", "4a deep"),
    21: ("1.8",),
    22: ("1.14", "4b environment"),
    23: ("5b held", "5b another file", "2c disk full, cache"),
    24: ("1.20", "1.21", "6 empty"),
    25: ("3a formats", "3a blamed", "3c relative import", "1.26"),
    26: ("2c SIGTERM while writing", "2c no name", "3c NUL", "1.12", "3c names", "3a array"),
}
"""Requirement -> the rows that it answers."""
