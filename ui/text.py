"""Every sentence that the page shows. Short, concrete, the field's own words; figures carry their unit and n."""

NAME = "Annotune"
TITLE = "Annotune"
TAGLINE = "From annotated data to a model you can trust."
BUG = "Something went wrong here; details are in the log."
BUG_HINT = "Nothing you entered was lost. Try again, and report it if it happens twice."

# ---- the line, and who you are -------------------------------------------------------------------------------------
TRAIN, RUNS = "Train", "Runs"
STEPS = ("Data", "Task", "Train", "Result", "Publish")
CONTINUE = "Continue"
CHOOSE_TASK = "Choose the task"

NO_SUCH_PLACE = "There is nothing here. Open the page itself: /"
TOO_LARGE = "That is more than the page ever sends at once, so it was refused."

# ---- forms ----------------------------------------------------------------------------------------------------------
FORM_EMPTY = " Empty: not set."
FORM_NONE = "(not set)"
FORM_WORDS = {True: "yes", False: "no"}
FORM_NOTHING = "nothing"
FORM_WRONG = "{label}: {problem}; you entered {entered}."
FORM_UNKNOWN = "There is no setting named {name}. The settings here are: {names}."
FORM_HINT = "Correct it here; your other settings are kept."
ALL_SETTINGS = "All settings ({n} more)"

# ---- ① data --------------------------------------------------------------------------------------------------------
EXAMPLE = "Try the example: 400 messages, 3 annotators"
EXAMPLE_BELOW = "Three clicks to a tested model of support messages. Nothing to download."
EXAMPLE_STEPS = (
    "See what the annotators said, and where they differ.",
    "Train a topic classifier in a minute or two.",
    "Read how often it is right on messages it never saw, and try it.",
)
OTHER_EXAMPLES = "Or try another task"
OTHER_EXAMPLES_BELOW = "Each has a small example of its own: one click, and its data is open."
OWN_DATA = "Or bring your own"
HUB_ID = "Hub dataset"
HUB_ID_HINT = "owner/name, as in its address on the Hub"
LOAD = "Load"
HUB_MORE = "Subset, split, revision"
SUBSET, SPLIT, REVISION = "Subset", "Split", "Revision"
SUBSET_INFO = "Empty: the only one, or the one named default."
SPLIT_INFO = "Empty: train."
REVISION_INFO = "A branch, tag or commit. Empty: the newest."
HUB_EMPTY = "No dataset is named yet."
HUB_EMPTY_HINT = "Type the dataset's id, such as argilla/banking_sentiment_setfit, and press Load."
FILE = "A file"
FILE_DETECTED = "This is how the file reads. Change it if it is wrong."
DELIMITER, HEADER = "Columns are separated by", "The first line holds the column names"
DELIMITERS = [("comma  ,", ","), ("semicolon  ;", ";"), ("tab", "\t"), ("vertical bar  |", "|")]
LOAD_FILE = "Load this file"
OTHER_DATA = "Use other data"
IMPORTING = "Reading the data"
IMPORT_STAGES = {"downloading": "Downloading", "reading": "Reading", "writing": "Writing", "profiling": "Counting"}
RECORDS, ANNOTATORS, ANSWERS = "records", "annotators", "answers"
AGREEMENT = "agreement on “{question}”"
LOOKS_LIKE = "It looks like {task} of “{question}”."
LOOKS_LIKE_DATA_FOR = "It looks like data for {task}: {roles}."
NO_TASK_YET = "No column holds labels yet. Say below which one does."
COLUMNS_HEADING = "Fields and questions"
FIELD, QUESTION = "field", "question"
ROLES_HEADING = "Is a column wrong? Change what it is"
ROLES_BELOW = "A label column becomes a question: what a model can learn to answer."
ROLE_NAMES = {
    "text": "text",
    "label": "one label",
    "multi-label": "several labels",
    "rating": "a rating",
    "id": "an id",
    "other": "something else",
}
LABEL_COUNTS = "Answers by label"
TEXT_LENGTH = "Text length in characters"
LENGTH_OF, COUNTS_OF = "Field", "Question"
FIRST_RECORDS = "The first {n} records"
ANSWERS_PER_RECORD = "Answers per record"
MACHINE = "{processor} · {cores} cores · {memory:.0f} GB."
MACHINE_SPACE = "Larger models want a GPU:"
EXAMPLE_HEADING = "Start here"
OWN_DATA_BELOW = "CSV, TSV, JSON, JSONL, Parquet, CoNLL, or an Argilla export (zipped)."
DUPLICATE = "Duplicate this Space"
LABEL_COUNTS = "Answers to “{question}”"
TEXT_LENGTH = "Length of “{field}”, in characters from …"
MORE_LABELS = "The 30 most frequent; {n} more are not drawn."
COLUMNS_HEADERS = ("Name", "Is a", "What it holds", "Missing")
NO_LABELS = "no labels"
CPU, GPU = "CPU", "GPU"

QUESTION_TYPES = {
    "label_selection": "one label",
    "multi_label_selection": "any labels",
    "rating": "a rating",
    "ranking": "a ranking",
    "text": "a text",
    "span": "spans in the text",
}

# ---- who you are ----------------------------------------------------------------------------------------------------
RUN = "Run"
SIGN_IN = "Sign in with Hugging Face"
SIGN_OUT = "Sign out ({})"
TOKEN_HERE = "Using this machine’s Hugging Face token"
NO_TOKEN_HERE = "No Hugging Face account"

ITS_OWNER = "its owner"
VISITING = "You are looking around in the Space of {owner}."
VISITING_BELOW = (
    "Open to you: the examples, and the models published from here. To work with your own data, duplicate the Space: "
    "the copy is yours alone. If this one is yours, sign in above with its owner's account."
)

# ---- ② task --------------------------------------------------------------------------------------------------------
TASK = "What to learn"
OTHER_TASKS = "Other tasks ({n})"
OTHER_TASKS_BELOW = "Their columns were not found in this data. Choose one all the same to name them, or to write code."
LACKS = "needs {roles}"
LACKS_NAMES = "its columns were not recognised"
ROLE_KINDS = {
    "field": "a text field",
    "question": "a question",
    "column": "a column",
    "template": "a text column",
}
FOR_ROLE = "{kind} for “{role}”"
NOT_CHOSEN = "—"
INSERT_COLUMN = "Columns to put in"
STRATEGY = "When annotators answered differently"
STRATEGY_INFO = "How several answers to one record become one label."
STRATEGIES = {
    "majority": "Take the most frequent answer (majority)",
    "disagreement": "Keep every answer as its own row (disagreement)",
    "mean": "Take the mean, rounded to a value (mean)",
    "min": "Take the lowest (min)",
    "max": "Take the highest (max)",
}
USE_CODE = "Write code instead"
USE_CODE_INFO = "A Python function makes the rows from each record."
CODE = "formatting_func"
CODE_BELOW = (
    "It gets one record and returns {returns}. It runs confined: it can compute, but reach no file, network or secret."
)
CODE_UNCONFINED = (
    "It gets one record and returns {returns}. ANNOTUNE_UNCONFINED_CELLS is set: it runs with your own rights."
)
PREVIEW = "Preview"
PREVIEW_HEADING = "What the model will learn from"
GOES_IN, COMES_OUT, TOKENS = "Goes in", "Comes out", "Tokens"
ROW = "A row to learn from"
ANSWERED = "Answers: {question}"
FAILED_ON = "Record {number}, on which it failed"
PRINTED = "Printed by your code"
NO_ROW = "no row"
NO_TASK_HINT = "Open “Is a column wrong?” in the data step and name the label column."
MORE_COLUMNS = "{n} more columns are not listed."

# ---- what rows hold ----------------------------------------------------------------------------------------------
WANTED = {True: "wanted", False: "unwanted"}
NOTHING = "nothing"
PARTS = {
    "sentence-1": "Sentence 1",
    "sentence-2": "Sentence 2",
    "sentence-3": "Sentence 3",
    "chosen": "Better",
    "rejected": "Worse",
    "answers": "Answers",
    "query": "Prompt",
}

# ---- ③ train -------------------------------------------------------------------------------------------------------
FRAMEWORK = "Train with"
BASE_MODEL = "Base model"
BASE_MODEL_INFO = "What training starts from. Any Hub id or local folder may be typed."
PLAN = "This run"
SPLIT_SETTINGS = "How the rows are divided"
SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SEED = "Training, %", "Validation, %", "Test: the rest, %", "Seed"
SPLIT_BELOW = (
    "Validation rows choose the best checkpoint; test rows are not looked at before the end. Equal texts stay together."
)
SPLIT_PARTS = ("training", "validation", "test")
SPLIT_WRONG = "The shares of the rows must lie between 0 and 100 %, with some for training."
SPLIT_WRONG_HINT = "Correct them under “How the rows are divided”."
START = "Start training"
FETCH = "Download what is missing"
APPROVE_CODE = "Approve this code"
CODE_AT = "{repo}, at commit {commit}: nothing else of it will ever run, and the run says that you approved it."
USE_KEY = "Use this key"
KEY_INFO = "Kept in this app’s memory until it ends, and handed to these runs alone; never saved."
ASK_PROVIDER = "Ask the provider for its models"
NO_MODEL_LIST = "There is no list of models to ask for here."
NO_MODEL_LIST_HINT = "Type the name of a model, or take one of the suggestions."
MODEL_HEADERS = ("Model", "What is said of it")
EXPORT_ROWS = "Download as JSONL"
EXPORTED_ROWS = "The rows as they would be sent"
NOT_READY_HINT = "Nothing was started."

# ---- a run at work --------------------------------------------------------------------------------------------------
STOP_KEEP = "Stop and keep the best"
STOPPING = "Stopping …"
CANCEL = "Cancel"
CANCELLING = "Cancelling …"
STEP = "step"
LOSS = "Loss"
VALIDATION = "On validation rows"
LOG = "Log"
AS_PYTHON = "Show as Python"
AS_RUN_FILE = "Save as a run file"
AS_RUN_FILE_BELOW = "Train the same in a terminal: python -m engine train run.json. A data file must lie beside it."
CLOSE_THIS_TAB = "You can close this tab. The run goes on, and this page finds it again."
QUEUED = "Waiting until {runs} before it ended"
STAGES = {
    "preparing": "Preparing the rows",
    "loading": "Loading the base model",
    "training": "Training",
    "evaluating": "Testing on rows it has not seen",
    "saving": "Saving the model",
}
STATES = {
    "waiting": "starting",
    "running": "running",
    "finished": "finished",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}
ENDED = {"failed": "The run failed.", "cancelled": "The run was cancelled.", "interrupted": "The run was interrupted."}
CURVES = {False: "training", True: "validation"}
METRICS = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "f1_micro": "micro F1",
    "kl": "KL from the base model, in nats",
    "reward": "mean reward",
    "mean_token_accuracy": "share of tokens predicted rightly",
}

# ---- ④ result ------------------------------------------------------------------------------------------------------
NO_RESULT_YET = "There is no trained model yet. Once a run is finished, its result stands here."
NO_BETTER = "That is no better."
SAMPLES = "What it wrote"
SAMPLES_BELOW = "Test rows, beside what stood in the data."
SAMPLES_HEADERS = ("Given", "In the data", "The model")
SAMPLES_BEFORE = "Before training"
SCORE = "Score"
PER_LABEL = "Label by label"
PER_LABEL_BELOW = "Precision: of those given the label, how many had it. Recall: of those with it, how many were found."
PER_LABEL_HEADERS = ("Label", "Precision", "Recall", "F1", "n")
CONFUSION = "What was taken for what"
CONFUSION_BELOW = "Test rows. The diagonal is right."
TRUE_LABEL, PREDICTED_LABEL = "annotators said", "model said"
CONFUSION_MULTI = "Right and wrong by label"
CONFUSION_MULTI_BELOW = "Test rows; a label is predicted from a score of 0.5 on."
CONFUSION_MULTI_HEADERS = ("Label", "Found", "Missed", "False alarm", "Rightly absent")
MISTAKES = "Worst mistakes"
MISTAKES_BELOW = "The test rows where it was wrong, the worst first."
MISTAKES_HEADERS = ("Text", "Annotators said", "Model said", "Sure")
TO_PUBLISH = "Continue to publish"

# ---- ④ try it ------------------------------------------------------------------------------------------------------
TRY_IT = "Try it"
TRY_IT_BELOW = "Filled with a record that the model has not seen."
UNSEEN = "Or take an unseen record"
PREDICT = "Predict"
PREDICTION = "Prediction"
THRESHOLD = "A label is given from this score on"
THRESHOLD_INFO = "Lower: more labels. Higher: fewer, surer ones."
EXPECTED = "Annotators said"
EXPECTED_PAIR = "Annotators said of the first pair"
PREDICT_OPTIONS = "How it writes"
OPTIONS_WRONG = "One of the settings under “How it writes” is out of its bounds."
OPTIONS_WRONG_HINT = "Correct it; nothing was predicted."
NOT_MADE_HERE = "Loading this model would run code that was not trained or approved here: {names}."
NOT_MADE_HERE_HINT = "A pickle or a Python file can do anything that this app can. Do you trust whoever made it?"
APPROVE_MODEL = "I trust it: load it"
WAITING = "…"
ASKING = "Asking the model; the first time it has to be loaded, which takes a moment …"
SPAN_HEADERS = ("Text", "Label", "Score")
NO_SPANS = "It found nothing to mark in this text."
NO_ANSWER = "It found no answer here."
ONE_SENTENCE = "A sentence"
OTHER_SENTENCES = "Others to compare with it, one a line"
NO_OTHERS = "There is nothing to compare the sentence with."
NO_OTHERS_HINT = "Write at least one other sentence."
SIMILAR_TO = "The others, the most similar first"
SIMILARITY_HEADERS = ("Sentence", "Similarity")
HEAT = "Each with each"
HEAT_BELOW = "row compared with column"
AFTER_TRAINING, BEFORE_TRAINING = "After training", "Before training"
WROTE_NOTHING = "(It wrote nothing.)"
CONVERSATION = "Conversation"
YOUR_MESSAGE = "Your message"
SEND = "Send"
SYSTEM = "System message (optional)"
BEGIN_AGAIN = "Begin again"
NO_TEXT = "There is no text to predict."
NO_TEXT_HINT = "Type one, or take an unseen record."
WHOLE_FILE = "Predict a whole file"
WHOLE_FILE_BELOW = "CSV, TSV, JSON, JSONL or Parquet in; the same file with the predictions out."
FILE_IN, FILE_OUT = "File", "File with predictions"
COLUMN_OF = "Column with: {part}"
COLUMN_OF_INFO = "Empty: the column called so, or the likeliest."
PREDICT_FILE = "Predict the file"
PREDICTING = "Predicting"
LOADING_MODEL = "loading the model"
ROWS = "rows"
NO_FILE = "No file is chosen yet."
NO_FILE_HINT = "Drop one above."

# ---- ⑤ publish -----------------------------------------------------------------------------------------------------
PUBLISH = "Publish to the Hub"
PUBLISH_BELOW = "The model, its card and its figures go into a repository of your account. Your data does not."
REPO = "Repository"
REPO_INFO = "your-name/model-name"
PRIVATE = "Private"
PRIVATE_INFO = "Only you can see it. You can make it public on the Hub later."
PUSH, PUSH_AGAIN, PUSH_UPDATE = "Publish", "Try again", "Publish again"
PUSHING = "Publishing"
PUBLISHED = "Published:"
USAGE = "Load it anywhere"
NO_ACCOUNT = "Publishing needs a Hugging Face account, and nobody is signed in."
ZIP_HEADING = "Or take it with you"
ZIP_BELOW = "Model, card and figures in one file. No account needed."
ZIP, ZIP_FILE = "Download .zip", "The model"
CARD = "The model card"
CARD_BELOW = "This is what people will read beside the model."
DETAILS = "Details"

# ---- all runs -------------------------------------------------------------------------------------------------------
RUNS_HEADING = "Runs"
RUNS_BELOW = "Everything trained here, newest first."
RUNS_HEADERS = ("Run", "Trained with", "Data", "State", "Started", "Test score", "Took", "")
RUNS_PUBLIC_BELOW = "What was trained here and published for all to see, newest first."
NO_RUNS_PUBLIC = "No model has been published from here yet."
NO_RUNS_PUBLIC_LINK = "Look at an example"
NO_RUNS = "Nothing has been trained yet."
NO_RUNS_LINK = "Train the first model"
MORE_RUNS = "{n} older runs are not listed."
USE_AGAIN = "Use settings again"
DELETE = "Delete"
MOVE_UP, TAKE_OUT = "Move up", "Take out"
IN_QUEUE = "waiting, {runs} before it"
DELETE_ASK = "Delete “{title}” with its model? This cannot be undone."
DELETE_FOR_GOOD = "Delete for good"
KEEP = "Keep it"

COLUMN_TYPES = {"string": "text", "large_string": "text", "bool": "yes or no", "double": "number", "float": "number"}
