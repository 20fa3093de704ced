"""What the hyperparameters of PPO, GRPO and RLOO have in common."""

OURS = {
    "reward_model": "PPOTrainer's reward_model, the others' reward_funcs",
    "reward_label": "the label of a classifier that is the reward",
    "reward_output": "its logit or its probability",
    "reward_text": "what a reward function is given",
    "guide_notes": "what the guide's arguments became, in words",
}
DIFFERENT = {
    "learning_rate": "empty: TRL's for the method, ten times that with LoRA",
    "load_best_model_at_end": "on: where validation prompts are answered, the best checkpoint is wanted",
    "max_completion_length": "256: 512 fill the window of small models, and memory",
    "generation_kwargs": "none, as an empty object",
    "r": "16: TRL's own command line",
    "lora_alpha": "32: TRL's own command line",
    "lora_dropout": "0.05: TRL's own command line",
    "target_modules": "every linear layer, which exists in any architecture (QLoRA, Dettmers 2023)",
}
