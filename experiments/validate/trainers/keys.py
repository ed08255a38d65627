"""Keys that trainers' configurations have, so that a misspelt one is told from one of no account.

TRL 1.16's GRPOConfig with what its command line reads beside it (a test holds them against the
installed one), and the sections of verl's `ppo_trainer.yaml` that toyrl reads from.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.messages import shortened

UNKNOWN = "not a key of"
TYPO = 0.85  # likeness from which a key is taken for a misspelt one that matters
NEAR = 0.6  # ... from which a name is suggested


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TRL = _words(
    """
    output_dir per_device_train_batch_size num_train_epochs max_steps learning_rate
    lr_scheduler_type lr_scheduler_kwargs warmup_steps optim optim_args weight_decay adam_beta1
    adam_beta2 adam_epsilon optim_target_modules gradient_accumulation_steps
    average_tokens_across_devices max_grad_norm label_smoothing_factor bf16 fp16 bf16_full_eval
    fp16_full_eval tf32 activation_checkpointing activation_checkpointing_kwargs
    gradient_checkpointing gradient_checkpointing_kwargs torch_compile torch_compile_backend
    torch_compile_mode use_liger_kernel liger_kernel_config use_cache neftune_noise_alpha
    torch_empty_cache_steps auto_find_batch_size logging_strategy logging_steps
    logging_first_step log_on_each_node logging_nan_inf_filter include_num_input_tokens_seen
    log_level log_level_replica disable_tqdm report_to run_name project trackio_space_id
    trackio_bucket_id trackio_static_space_id eval_strategy eval_steps eval_delay
    per_device_eval_batch_size prediction_loss_only eval_on_start eval_do_concat_batches
    eval_use_gather_object eval_accumulation_steps include_for_metrics batch_eval_metrics
    save_only_model save_strategy save_steps save_on_each_node save_total_limit
    enable_jit_checkpoint push_to_hub hub_token hub_private_repo hub_model_id hub_strategy
    hub_always_push hub_revision load_best_model_at_end metric_for_best_model greater_is_better
    ignore_data_skip restore_callback_states_from_checkpoint full_determinism seed data_seed
    use_cpu accelerator_config parallelism_config dataloader_drop_last dataloader_num_workers
    dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor
    dataloader_multiprocessing_context dataloader_in_order remove_unused_columns label_names
    train_sampling_strategy length_column_name ddp_find_unused_parameters ddp_bucket_cap_mb
    ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout fsdp fsdp_config deepspeed
    debug skip_memory_metrics do_train do_eval do_predict resume_from_checkpoint local_rank
    model_init_kwargs trust_remote_code router_aux_loss_coef disable_dropout
    cast_lm_head_to_fp32 num_generations num_generations_eval max_completion_length
    ds3_gather_for_generation shuffle_dataset pad_to_multiple_of generation_batch_size
    steps_per_generation temperature top_p top_k min_p generation_kwargs chat_template_kwargs
    repetition_penalty cache_implementation use_vllm vllm_mode vllm_model_impl
    vllm_enable_sleep_mode vllm_structured_outputs_regex vllm_server_base_url vllm_server_host
    vllm_server_port vllm_server_timeout vllm_group_port vllm_gpu_memory_utilization
    vllm_max_model_length vllm_tensor_parallel_size beta num_iterations epsilon delta
    epsilon_high sapo_temperature_neg sapo_temperature_pos vespo_k_pos vespo_lambda_pos
    vespo_k_neg vespo_lambda_neg importance_sampling_level reward_weights
    multi_objective_aggregation scale_rewards loss_type mask_truncated_completions
    sync_ref_model ref_model_mixup_alpha ref_model_sync_steps top_entropy_quantile entropy_coef
    use_adaptive_entropy entropy_coef_min entropy_coef_max entropy_coef_delta entropy_target
    max_tool_calling_iterations vllm_importance_sampling_correction
    vllm_importance_sampling_mode vllm_importance_sampling_clip_max
    vllm_importance_sampling_clip_min off_policy_mask_threshold use_bias_correction_kl
    log_completions log_multimodal num_completions_to_print log_unique_prompts
    log_completions_hub_repo use_transformers_continuous_batching
    transformers_continuous_batching_config use_transformers_paged vllm_importance_sampling_cap
    """
)
"""Fields of GRPOConfig."""

TRL_SCRIPT = _words(
    """
    dataset_name dataset_config dataset_train_split dataset_test_split dataset_streaming
    ignore_bias_buffers reward_model_name_or_path reward_funcs model_name_or_path model_revision
    dtype attn_implementation use_peft lora_r lora_alpha lora_dropout lora_target_modules
    lora_target_parameters lora_modules_to_save lora_task_type use_rslora use_dora load_in_8bit
    load_in_4bit bnb_4bit_quant_type use_bnb_nested_quant bnb_4bit_quant_storage config env
    """
)
"""What `trl grpo --config` reads beside them: the script's, the model's and the environment."""

VERL = {
    "": _words(
        """
        actor_rollout_ref data critic reward_model reward custom_reward_function algorithm
        trainer global_profiler ray_kwargs transfer_queue distillation defaults hydra
        """
    ),
    "actor_rollout_ref": _words(
        """
        actor ref rollout model hybrid_engine nccl_timeout
        """
    ),
    "algorithm": _words(
        """
        gamma lam adv_estimator norm_adv_by_std_in_grpo use_kl_in_reward kl_penalty kl_ctrl
        use_pf_ppo pf_ppo filter_groups rollout_correction rollout_is rollout_is_threshold
        """
    ),
    "algorithm.kl_ctrl": _words(
        """
        type kl_coef horizon target_kl
        """
    ),
    "data": _words(
        """
        tokenizer use_shm train_files val_files prompt_key reward_fn_key max_prompt_length
        max_response_length train_batch_size val_batch_size gen_batch_size return_raw_input_ids
        return_raw_chat return_full_prompt shuffle seed dataloader_num_workers
        validation_shuffle filter_overlong_prompts filter_overlong_prompts_workers truncation
        image_key video_key trust_remote_code custom_cls return_multi_modal_inputs sampler
        datagen apply_chat_template_kwargs train_max_samples val_max_samples image_patch_size
        tool_config_path mcp_tool_config_path
        """
    ),
    "actor_rollout_ref.rollout": _words(
        """
        name mode temperature top_k top_p prompt_length response_length dtype
        gpu_memory_utilization ignore_eos enforce_eager cudagraph_capture_sizes
        free_cache_engine tensor_model_parallel_size data_parallel_size expert_parallel_size
        pipeline_model_parallel_size max_num_batched_tokens max_model_len max_num_seqs
        log_prob_micro_batch_size log_prob_micro_batch_size_per_gpu log_prob_use_dynamic_bsz
        log_prob_max_token_len_per_gpu disable_log_stats do_sample n over_sample_rate
        multi_stage_wake_up engine_kwargs val_kwargs multi_turn calculate_log_probs agent
        update_weights_bucket_megabytes trace skip_rollout skip_dump_dir profiler
        enable_chunked_prefill enable_prefix_caching load_format layered_summon
        checkpoint_engine limit_images skip logprobs_mode scheduling_policy prometheus
        quantization quantization_config_file mtp enable_rollout_routing_replay
        skip_tokenizer_init
        """
    ),
    "actor_rollout_ref.actor": _words(
        """
        strategy ppo_mini_batch_size ppo_micro_batch_size ppo_micro_batch_size_per_gpu
        use_dynamic_bsz ppo_max_token_len_per_gpu clip_ratio clip_ratio_low clip_ratio_high
        policy_loss clip_ratio_c loss_agg_mode loss_scale_factor entropy_coeff calculate_entropy
        use_kl_loss use_torch_compile kl_loss_coef kl_loss_type ppo_epochs shuffle
        data_loader_seed checkpoint optim use_fused_kernels profiler grad_clip
        ulysses_sequence_parallel_size entropy_from_logits_with_chunking entropy_checkpointing
        fsdp_config megatron veomni use_remove_padding freeze_vision_tower tau_pos tau_neg
        use_prefix_grouper calculate_sum_pi_squared sum_pi_squared_checkpointing rollout_n
        router_replay engine load_weight use_rollout_log_probs
        """
    ),
}
"""Keys of the sections of verl's configuration that toyrl reads from."""


def unknown(
    names: Iterable[str], known: Collection[str], read: Collection[str], where: str, trainer: str
) -> list[str]:
    """Notes about keys that the trainer doesn't have, with the nearest name.

    known : keys that it has; read : those of them that toyrl reads; where : file and section

    Raises UsageError for a key that is one of `read` but for a slip.
    """
    notes = []
    for key in names:
        name = shortened(str(key), write=str)  # YAML has keys of any kind
        if name in known:
            continue
        meant = difflib.get_close_matches(name, read, n=1, cutoff=TYPO)
        if meant:
            msg = f"{where}: {name} is {UNKNOWN} {trainer}; did you mean {meant[0]}?"
            raise UsageError(msg)
        near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
        hint = f"; the nearest is {near[0]}" if near else ""
        notes.append(f"{where}: {name} is {UNKNOWN} {trainer}, and was not read{hint}")
    return notes


def sections(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    """section -> keys given in it, of those sections in `VERL`; keys nested or dotted."""
    found: dict[str, list[str]] = {}

    def walk(node: Mapping[str, Any], place: str) -> None:
        for key, value in node.items():
            *parts, last = str(key).lstrip("+").split(".")
            inside = ".".join(filter(None, (place, *parts)))
            for n in range(len(parts)):
                above = ".".join(filter(None, (place, *parts[:n])))
                if above in VERL:
                    found.setdefault(above, []).append(parts[n])
            if inside in VERL:
                found.setdefault(inside, []).append(last)
            below = ".".join(filter(None, (inside, last)))
            if isinstance(value, Mapping) and any(f"{s}.".startswith(f"{below}.") for s in VERL):
                walk(value, below)

    walk(tree, "")
    return {place: [*dict.fromkeys(keys)] for place, keys in found.items()}
