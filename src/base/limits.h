/*
 * limits.h - every bound of the program, with its unit and its reason.
 *
 * A queue, buffer, list fed from outside, retry or time that is not named here is a bug. Values a
 * person may want to change are configuration keys (app/config); what stands here is either a fact
 * of a protocol or a safety net.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* -- log -- */
#define LOG_LINE_BYTES_MAX       2048 /* a line longer than this helps nobody */
#define LOG_EVENT_SLOTS          64   /* events whose rate is watched at once */
#define LOG_EVENT_PER_SECOND_MAX 50   /* more of one event in a second are only counted */

/* -- circuit breakers -- */
#define BREAKER_FAILURES    3     /* in a row, of one peer, before it is passed by */
#define BREAKER_WAIT_MS_MIN 2000  /* before the first probe; doubles */
#define BREAKER_WAIT_MS_MAX 60000 /* a minute without a peer that is back is enough */

/* -- faults, in builds for tests -- */
#define FAULT_NAMES_MAX      128 /* steps that can be made to fail */
#define FAULT_NAME_BYTES_MAX 48  /* "module.step" */

/* -- JSON -- */
#define JSON_DEPTH_MAX 32 /* deeper text is an attack on a recursive parser */

/* -- audio -- */
#define RESAMPLE_HZ_MIN 4000   /* below it nothing is speech */
#define RESAMPLE_HZ_MAX 192000 /* the fastest sound cards; filters grow with the ratio */

/* -- WebSocket -- */
#define WS_MESSAGE_BYTES_MAX     (1 << 20)   /* a phone's or browser's message is far below */
#define WS_MESSAGE_KEEP_BYTES    1024        /* buffer kept between messages in pieces */
#define WS_AUDIO_OUT_BYTES_MAX   (64 << 10)  /* about 5 s of G.711 in base64: later is too late */
#define WS_CONTROL_OUT_BYTES_MAX (1 << 20)   /* a peer this far behind does not read at all */
#define WS_CLOSE_ROOM_BYTES      (1 << 10)   /* for the close frame on top of a full queue */
#define WS_HANDSHAKE_BYTES_MAX   (8 << 10)   /* head of the server's answer */
#define WS_EARLY_BYTES_MAX       (256 << 10) /* came with the upgrade, before its owner was ready */
#define WS_CLOSE_TIMEOUT_MS      2000        /* for the peer's half of the close handshake */
#define WS_PING_INTERVAL_MS      20000       /* below the 30-60 s of common proxies */
#define WS_PONG_TIMEOUT_MS       10000       /* longer than any TCP retransmission worth having */

/* -- Realtime provider -- */
#define REALTIME_MESSAGE_BYTES_MAX   (16 << 20)  /* the Realtime API's own bound */
#define REALTIME_AUDIO_OUT_BYTES_MAX (512 << 10) /* 45 s kept while it connected */
#define REALTIME_CONNECT_TIMEOUT_MS  5000        /* the caller is waiting */
#define REALTIME_SHAPE_WAIT_MS       2000        /* for session.created */
#define REALTIME_URL_BYTES_MAX       2048
#define REALTIME_KEY_BYTES_MAX       4096 /* a signed token may be long */
#define REALTIME_SECRET_BYTES_MIN    8    /* a shorter key is a placeholder */
#define REALTIME_REASON_BYTES_MAX    200  /* a close reason has 123 at most */

/* -- Twilio -- */
#define TWILIO_ANSWER_TIMEOUT_MS     10000       /* Twilio itself waits 15 s for TwiML */
#define TWILIO_START_TIMEOUT_MS      10000       /* from the upgrade to `start` */
#define TWILIO_BAD_MESSAGES_MAX      10          /* on one stream; a real one sends none */
#define TWILIO_BODY_BYTES_MAX        (64 << 10)  /* a webhook's form has about 2 KB */
#define TWILIO_MESSAGE_BYTES_MAX     (64 << 10)  /* a media message has about 400 bytes */
#define TWILIO_AUDIO_OUT_BYTES_MAX   (256 << 10) /* 10 s ahead of the playhead, as JSON */
#define TWILIO_CONTROL_OUT_BYTES_MAX (512 << 10) /* past it the carrier does not read at all */
#define TWILIO_TWIML_BYTES_MAX       (64 << 10)
#define TWILIO_URL_BYTES_MAX         2048 /* of the public URL */
#define TWILIO_SID_BYTES_MAX         64   /* two letters and 32 digits */
#define TWILIO_TOKEN_BYTES_MAX       256  /* of a <Parameter>: Twilio's own bound is 500 */
#define TWILIO_REST_TIMEOUT_MS       10000
#define TWILIO_REST_BODY_BYTES_MAX   (64 << 10) /* a call resource has 2 KB */
#define TWILIO_REST_REQUESTS_MAX     256        /* under way on a loop, waiting retries included */
#define TWILIO_REST_RETRY_MS         500        /* before the one retry */

/* -- outbound HTTP -- */
#define HTTP_CLIENT_TIMEOUT_MS     10000     /* from name look-up to the last byte */
#define HTTP_CLIENT_BODY_BYTES_MAX (1 << 20) /* of an answer */
#define HTTP_CLIENT_FETCHES_MAX    256       /* at once on a loop */
#define HTTP_CLIENT_IDLE_MAX       16        /* connections kept for reuse */

/* -- store -- */
#define STORE_QUEUE_MAX             4096 /* writes waiting; seconds of work for one disk */
#define STORE_GROUP_MAX             256  /* writes in one transaction */
#define STORE_GROUP_MS              20   /* a transaction longer than this delays its first */
#define STORE_BUSY_MS               5000 /* for another process (a command) to finish writing */
#define STORE_READ_CONNS_MAX        4    /* worker threads and commands reading at once */
#define STORE_RETRY_MS              250  /* a full disk does not empty by itself */
#define STORE_DELIVER_RETRY_MS      5    /* until a loop's full mailbox is tried again */
#define STORE_RESULT_BYTES_MAX      (64 << 20) /* every passage of a very large business */
#define STORE_LIST_MAX              200        /* rows of a page */
#define STORE_OPEN_CALLS_MAX        10000      /* calls a crash can leave behind */
#define STORE_CALL_TURNS_MAX        10000      /* turns and tool runs shown of one call */
#define STORE_PASSAGES_MAX          200000     /* of one business */
#define STORE_DOCUMENT_PASSAGES_MAX 20000      /* of one imported file */
#define STORE_SEARCH_WORDS_MAX      48         /* a spoken question is far shorter */
#define STORE_SEARCH_TERMS_MAX      256        /* words and the words that may stand for them */
#define STORE_SEARCH_WORD_BYTES_MAX 64         /* longer is no word */
#define STORE_SEARCH_RESULTS_MAX    50
#define STORE_VOCABULARY_MAX        2000000      /* stems of a business; prose has 60,000 */
#define STORE_KEEP_BYTES_MAX        (512u << 20) /* of businesses' stems and vectors in memory */
#define STORE_VECTOR_DIMENSIONS_MAX 4096         /* the largest embedding models have 3072 */
#define STORE_VECTORS_PUT_MAX       256          /* in one request: 1.5 MB of 1536 dimensions */
#define STORE_VECTORS_TAIL_MAX      256 /* newer than those in memory, compared one by one */

/* -- businesses -- */
#define BUSINESS_SPANS_MAX      4     /* morning, afternoon, evening, late */
#define BUSINESS_HOLIDAYS_MAX   100   /* several years of them */
#define BUSINESS_PROBLEMS_MAX   16    /* about one a key */
#define BUSINESS_TEXT_MAX       16384 /* a personality of 3,000 words */
#define BUSINESS_DURATION_S_MAX 14400 /* no call lasts longer: Twilio's own default limit */
#define ZONE_FILE_BYTES_MAX     65536 /* the largest TZif file of 2026 has 3.6 KB */
#define ZONE_TRANSITIONS_MAX    4000

/* -- knowledge -- */
#define KNOWLEDGE_QUERY_BYTES_MAX    2000         /* a minute of speech */
#define KNOWLEDGE_FILE_BYTES_MAX     (32 << 20)   /* of an imported text */
#define KNOWLEDGE_LINE_BYTES_MAX     (1 << 20)    /* of a JSON-lines file */
#define KNOWLEDGE_SENTENCES_MAX      20000        /* in a recogniser's language model */
#define KNOWLEDGE_IMPORT_BYTES_MAX   (256u << 20) /* of one import: text, copy, passages */
#define KNOWLEDGE_COLUMNS_MAX        64           /* of a table; more are left out */
#define KNOWLEDGE_READ_BYTES         (16 << 10)   /* fed to a parser at a time */
#define KNOWLEDGE_INFLATED_BYTES_MAX (64 << 20)   /* one file of an archive: against zip bombs */
#define KNOWLEDGE_ARCHIVE_FILES_MAX  10000        /* of a document with many pictures */
#define KNOWLEDGE_CHILD_BYTES_MAX    (1u << 30)   /* memory of pdftotext */
#define KNOWLEDGE_CHILD_MS_MAX       60000        /* a thousand pages take about five seconds */

#define KNOWLEDGE_EMBED_MS_MAX     5000   /* for a question's vector; one that is late is kept */
#define KNOWLEDGE_EMBED_BYTES_MAX  8000   /* of a passage: below 8192 tokens whatever it says */
#define KNOWLEDGE_ASKED_MAX        256    /* questions kept with their vectors, per loop: 1.5 MB */
#define KNOWLEDGE_FINDS_MAX        1024   /* under way on a loop; more are answered by words */
#define KNOWLEDGE_FILL_MS_MAX      60000  /* for the vectors of one batch of passages */
#define KNOWLEDGE_FILL_LOOK_MS     5000   /* between two looks for passages without a vector */
#define KNOWLEDGE_FILL_WAIT_MS_MAX 300000 /* the same after failures; doubles up to it */

/* -- net: loop, connections, HTTP server -- */
#define LOOP_COUNT_MAX            64      /* loops of a process, each a thread */
#define LOOP_MAILBOX_MAX          4096    /* posts waiting for a loop; more means it is stuck */
#define LOOP_READ_BYTES           65536   /* one read from a socket; the buffer is the loop's */
#define LOOP_CORK_BYTES           16384   /* output gathered in one event: one TLS record */
#define LOOP_SCRATCH_BYTES_MAX    1048576 /* one message being built */
#define LOOP_SCRATCH_KEEP_BYTES   65536   /* of it, between messages */
#define LOOP_CORKS_MAX            8       /* connections written to in one event; more go earlier */
#define CONN_CONNECT_TIMEOUT_MS   5000    /* DNS + TCP + TLS; a caller waits no longer */
#define CONN_ADDRESSES_MAX        8       /* addresses of one name that are tried */
#define CONN_HOST_BYTES_MAX       253     /* RFC 1035 section 2.3.4, without the last dot */
#define CONN_OUT_BYTES_MAX        1048576 /* output queue of a connection, unless it sets its own */
#define CONN_OUT_BYTES_CEILING    1073741824 /* no connection may ask for more than this */
#define CONN_OUT_KEEP_BYTES       1024  /* a drained queue larger than this gives its memory back */
#define CONN_LINGER_MS            2000  /* to send what is queued and see the peer's end */
#define CONN_KEEPALIVE_IDLE_S     30    /* accepted: silent for so long, the peer's host is asked */
#define CONN_KEEPALIVE_INTERVAL_S 10    /* ... and again */
#define CONN_KEEPALIVE_PROBES     3     /* ... before it counts as gone */
#define CONN_UNACKED_MS           30000 /* what was sent and not acknowledged: it is gone */
#define ADDRESS_SET_MAX           32    /* trusted proxies */
#define CONN_READS_PER_EVENT      8     /* TLS records taken before other sockets get a turn */
#define RELAY_QUEUE_BYTES_MAX     524288  /* waiting each way, before the other side is not read */
#define GATE_MESSAGE_BYTES_MAX    131072  /* what a connection has unread and unsent */
#define GATE_BACKLOG              1024    /* messages of other processes waiting */
#define GATE_WAIT_MS              2000    /* for another process to answer at start */
#define GATE_PROCESSES_MAX        64      /* files in DATA/run that are looked at */
#define HTTP_HEAD_BYTES_MAX       16384   /* request line and headers; also pipelined bytes kept */
#define HTTP_BODY_BYTES_MAX       1048576 /* request body, unless the route says otherwise */
#define HTTP_HEADERS_MAX          64      /* header lines of a request */
#define HTTP_REPLY_HEADERS_MAX    8192    /* bytes of headers a handler adds to its answer */
#define HTTP_CHUNK_LINE_BYTES_MAX 512     /* extensions of a chunk, one trailer line */
#define HTTP_PARAMS_MAX           128     /* parameters of a form; Twilio sends about 30 */
#define HTTP_HEAD_TIMEOUT_MS      10000   /* first byte to the end of the head */
#define HTTP_BODY_TIMEOUT_MS      30000   /* end of the head to the end of the body */
#define HTTP_IDLE_TIMEOUT_MS      60000 /* kept alive without a request, or without output moving */
#define HTTP_CONNECTIONS_MAX      4096  /* of one server; the oldest that waits gives way, or 503 */
#define HTTP_CONNECTIONS_PER_PEER 1024  /* without a whole request: all streams of a host, again */
#define HTTP_SITE_BUCKETS         1024  /* of the table that counts them */
#define HTTP_REJECTS_MAX          64    /* connections being told 503; more are just closed */
#define HTTP_REPLY_JOIN_BYTES     16384 /* a body up to this leaves in one write with its head */
#define HTTP_BACKLOG              1024  /* listen(2): a burst of reconnecting streams */
#define HTTP_ACCEPTS_PER_EVENT    16    /* before other sockets get a turn; TLS is 1 ms each */
#define HTTP_ACCEPT_PAUSE_MS      100   /* after the process ran out of descriptors */

/* -- web pages that are imported -- */
#define WEB_PAGE_BYTES_MAX     (16 << 20) /* inflated */
#define WEB_PAGE_TIMEOUT_MS    30000
#define WEB_PAGE_REDIRECTS_MAX 5

/* -- hosted services (llm) -- */
#define LLM_ENDPOINTS_MAX      4 /* of one service: nobody waits for a fifth */
#define LLM_URL_BYTES_MAX      2048
#define LLM_KEY_BYTES_MAX      4096 /* a signed token may be long */
#define LLM_MODEL_BYTES_MAX    256
#define LLM_RETRIES            2   /* of an endpoint: what OpenAI's own clients do */
#define LLM_RETRY_MS_MIN       500 /* this and the next: OpenAI's own clients */
#define LLM_RETRY_MS_MAX       8000
#define LLM_RETRY_AFTER_MS_MAX 60000 /* a server that asks for more is asked when we think fit */
#define LLM_ERROR_BYTES_MAX    (64 << 10) /* a body that explains a refusal has a few hundred */
#define LLM_TOKENS_MAX         1000000000 /* what a usage may say: more is nonsense */
#define LLM_DECODE_BYTES       (64 << 10) /* a larger answer is read on a worker */

/* -- chat completions -- */
#define CHAT_REQUEST_BYTES_MAX (4 << 20)  /* a long call's transcript has 200 KB */
#define CHAT_ANSWER_BYTES_MAX  (1 << 20)  /* of text, or of one call's arguments */
#define CHAT_STREAM_BYTES_MAX  (64 << 20) /* a word of text comes in 300 bytes of JSON */
#define CHAT_CALLS_MAX         32         /* tools called in one answer */
#define CHAT_ID_BYTES_MAX      256        /* a name has 64 at most, an id about 30 */

/* -- transcription and speech -- */
#define TRANSCRIBE_AUDIO_BYTES_MAX  (24 << 20) /* the API takes files of 25 MB */
#define TRANSCRIBE_WORDS_BYTES_MAX  (16 << 10) /* all of the form but the sound */
#define TRANSCRIBE_ANSWER_BYTES_MAX (1 << 20)
#define SPEAK_CHARACTERS_MAX        4096       /* of a text: the API's */
#define SPEAK_REQUEST_BYTES_MAX     (64 << 10) /* 4096 characters of four bytes, twice, as JSON */
#define SPEAK_ANSWER_BYTES_MAX      (64 << 20) /* 20 minutes at 24 kHz */
#define SPEAK_HEAD_BYTES_MAX        4096       /* of WAV before its samples */

/* -- embeddings -- */
#define EMBED_TEXTS_MAX          2048   /* of one ask: the API's own bound for a request */
#define EMBED_TEXT_TOKENS_MAX    8192   /* of one text: the API's */
#define EMBED_REQUEST_TOKENS_MAX 300000 /* of one request: the API's */
#define EMBED_REQUEST_TEXTS      256    /* 2 MB of vectors; four such at once are quicker */
#define EMBED_REQUESTS_AT_ONCE   4
#define EMBED_DIMENSIONS_MAX     8192       /* the largest models there are have 4096 */
#define EMBED_ANSWER_BYTES_MAX   (96 << 20) /* 256 vectors of 8192 numbers in decimal */

/* -- speech -- */
#define LM_WORDS_MAX           20000        /* different words; a business has hundreds */
#define LM_WORD_BYTES_MAX      48           /* no spoken word is longer */
#define LM_TOKENS_MAX          (1u << 20)   /* words in all; beyond it decoding gets no better */
#define LM_ARPA_BYTES_MAX      (128u << 20) /* the written model of LM_TOKENS_MAX words */
#define STT_DECODERS_MAX       16           /* kept; about 7 MB each */
#define STT_UTTERANCE_MS_MAX   30000        /* nobody asks a question for half a minute */
#define STT_TEXT_BYTES_MAX     2048         /* of one utterance */
#define TTS_AT_ONCE            2            /* sentences of one voice: the live workers */
#define TTS_SENTENCE_BYTES_MAX 1000         /* a minute of speech */

/* -- call -- */
#define CALL_ARENA_BYTES_MAX   (4u << 20)  /* what one conversation may keep in memory */
#define CALL_ITEMS_MAX         4096        /* an hour of turns every second */
#define CALL_ITEM_TEXT_MAX     (16u << 10) /* text of one turn; longer is cut */
#define CALL_TOOLS_MAX         16          /* tool runs of one call at once */
#define CALL_WANTS_MAX         8           /* answers waiting for their turn */
#define CALL_SOURCES_MAX       32          /* items with audio not yet sent */
#define CALL_EVENT_BYTES_MAX   (1u << 20)  /* one client event; instructions are the largest */
#define CALL_CONTEXT_ITEMS_MAX 40          /* turns carried over to a new engine session */
#define CALL_ENGINE_LOSSES_MAX 4           /* sessions lost in one call before another engine */
#define CALL_DTMF_MAX          32          /* keys pressed before the agent is told */
#define CALL_AHEAD_BYTES_MAX   80000       /* 10 s of mu-law ahead of the playhead */
#define CALL_PLAY_BYTES_MAX    1600        /* 200 ms: one message to the carrier */
#define CALL_MARK_BYTES        800         /* a mark after at least 100 ms */
#define CALL_MARK_GRACE_MS     1500        /* an echo later than this is missing */
#define CALL_CANCEL_WAIT_MS    3000        /* for the end of an answer that was cut */
#define CALL_HEARD_AGAIN_MS    100         /* between two looks whether all was heard */
#define CALL_SPEECH_MAX_MS     60000       /* speech_started without an end: the engine forgot it */
#define CALL_CLOSE_WAIT_MS     5000   /* from hanging up to the carrier's word that it is done */
#define CALL_UNNOTICED_MS      3000   /* an engine replaced this early is not apologised for */
#define CALL_DTMF_GAP_MS       1500   /* keys closer than this belong together */
#define CALL_LOST_TAIL_MS      400    /* no more unheard when the line was lost: let it be */
#define CALL_KEEP_BYTES        6400   /* 800 ms: a word's beginning until the engine notices it */
#define CALL_KEEP_SPEECH_BYTES 96000  /* 12 s: a question kept until its words are known */
#define CALL_REHEAR_MS         4000   /* for a new session to hear an interrupted question */
#define CALL_ROLL_LEAD_MS      300000 /* a session is replaced this long before its limit */
#define CALL_ROLL_RETRY_MS     15000  /* between two tries to open a spare */
#define CALL_ROLL_SAMPLES      3      /* answers whose median tells how quick a session is */
#define CALL_WORDS_WAIT_MS     5000   /* for the words of a turn, before a session is replaced */
#define PLAYHEAD_MARKS_MAX     256    /* marks in flight: 10 s ahead at one each 100 ms, twice */

/* -- protocols -- */
#define TWILIO_PARAMS_MAX       16  /* <Parameter> elements of one stream; ours has a handful */
#define TWILIO_FORM_PARAMS_MAX  256 /* of one webhook; Twilio sends about thirty */
#define TWILIO_SIGNED_BYTES_MAX (256 * 1024) /* URL and parameters; a body is bounded lower */
#define TWIML_BYTES_MAX         65536        /* Twilio's own limit for a document */
#define TWIML_DEPTH_MAX         4            /* Response, Connect, Stream, Parameter */
#define TWIML_VERBS_MAX         64           /* elements of a document, nested ones included */
#define TWIML_ATTRS_MAX         256          /* attributes of a document */

/* -- journal -- */
#define JOURNAL_FLUSH_MS            100 /* with one sync, 250 ms is the most a crash costs */
#define JOURNAL_PAYLOAD_BYTES_MAX   (17u << 20) /* one engine event as it arrived, and some */
#define JOURNAL_STAGE_BYTES         4096        /* of one call between two flushes: 1.5 KB */
#define JOURNAL_STAGES_KEEP         64          /* for reuse; each dirty call has one */
#define JOURNAL_BUFFER_BYTES        (64 << 10)  /* each flush begins a new one */
#define JOURNAL_BUFFERS_KEEP        64          /* for reuse: fresh memory costs more than a copy */
#define JOURNAL_AUDIO_BACKLOG_BYTES (16 << 20)  /* more not on disk: audio is no longer kept */
#define JOURNAL_BACKLOG_BYTES       (32 << 20)  /* more not on disk: only ends of calls are kept */
#define JOURNAL_SEGMENT_BYTES       (64 << 20)  /* so that finished calls free their disk space */
#define JOURNAL_SEGMENTS_MAX        65536       /* of one dead process: 4 TiB */
#define JOURNAL_EXTENTS_MAX         (1u << 20)  /* pieces of one call: a day at ten a second */
#define JOURNAL_ID_BYTES_MAX        100         /* of a call's id, which names its file */
#define JOURNAL_COPY_BYTES          (256 << 10) /* one write of a call's own file */
#define JOURNAL_COPY_RETRY_MS       5000        /* a full disk does not empty by itself */
#define JOURNAL_CLOSE_TRIES         3           /* of a failing disk, before giving up at exit */
#define JOURNAL_LOCK_TRIES          8           /* against another process tidying at that moment */
#define JOURNAL_RESYNC_BYTES        (256u << 20) /* checksummed in search of the next good record */
#define JOURNAL_RECOVER_CALLS_MAX   (1u << 20)   /* calls in the segments of one dead process */
#define JOURNAL_REPLAY_BYTES_MAX    (1u << 30)   /* a call read at once: ten hours with sound */
#define JOURNAL_EXPORT_ITEMS_MAX    10000 /* turns, tool runs, keys, notes of one transcript */
#define JOURNAL_EXPORT_BYTES_MAX    (256u << 20) /* of a transcript; a day-long call has 10 MB */
#define JOURNAL_EXPORT_MS_MAX       18000000     /* 5 h of stereo: 576 MB, above the longest call */

/* -- settings -- */
#define CONFIG_FILE_BYTES_MAX  (256 << 10) /* every key with a paragraph of comment is far below */
#define CONFIG_VALUE_BYTES_MAX 4096        /* a path; the longest value there is */

/* -- dial and provider: the peers we bring along -- */
#define VOICE_BYTES_MAX            (8 << 20)   /* of one text as mu-law: 17 minutes */
#define VOICE_WAV_BYTES_MAX        (64 << 20)  /* of a sound file: 5 minutes of 48 kHz stereo */
#define PROVIDER_SCRIPT_BYTES_MAX  (4 << 20)   /* a script file */
#define PROVIDER_STEPS_MAX         1000        /* answers of a script */
#define PROVIDER_SESSIONS_MAX      2000        /* at once */
#define PROVIDER_ITEMS_MAX         2000        /* of one session; more is ended as OpenAI ends it */
#define PROVIDER_WANTS_MAX         8           /* out-of-band answers waiting for the running one */
#define PROVIDER_CLIPS_MAX         256         /* spoken texts kept */
#define PROVIDER_TURN_BYTES_MAX    (8 * 60000) /* caller audio kept of a turn, to be echoed */
#define PROVIDER_EVENT_BYTES_MAX   (18 << 20)  /* one event: the largest append there may be */
#define PROVIDER_MESSAGE_BYTES_MAX (16 << 20)  /* from a client: 15 MiB of audio and its frame */
#define PROVIDER_RECORDS_MAX       4096        /* truncations and violations listed one by one */

/* -- session -- */
#define HOST_AHEAD_MAX                 2 /* calls a loop may have more than another and get one */
#define VOICEQ_BYTES_MAX               (8u << 20) /* 17 minutes of speech: no answer is so long */
#define VOICEQ_BLOCK_BYTES             4000       /* half a second; allocated as it fills */
#define SESSION_HELD_BYTES_MAX         240000     /* 30 s of the caller while no engine is ready */
#define SESSION_HELD_PIECE_BYTES       4000  /* held audio goes to the engine in half seconds */
#define COALESCE_MS_MAX                200   /* of caller silence in one message to the engine */
#define COALESCE_HANG_MS               200   /* at once, beyond the silence that ends a turn */
#define SESSION_STREAM_WAIT_MS         15000 /* from the webhook to the stream */
#define SESSION_BAD_EVENTS_MAX         20    /* unreadable engine events before it is given up */
#define SESSION_AFTERMATH_MAX          4096 /* ended calls whose carrier may still ask what to do */
#define SESSION_AFTERMATH_MS           60000  /* and for how long */
#define SESSION_HEALTH_MS              1000   /* between a loop's figures for the metrics */
#define SESSION_POST_TRIES             5000   /* milliseconds recovery waits for a busy loop */
#define SESSION_UNFLUSHED_MS           2000   /* a younger call may not be in its journal yet */
#define SESSION_PROMPTS_MAX            64     /* texts kept synthesised, per loop */
#define SESSION_PROMPT_BYTES_MAX       480000 /* a minute of one prompt */
#define SESSION_VOCABULARIES_MAX       64     /* businesses whose sentences are at hand, per loop */
#define SESSION_VOCABULARY_BYTES_MAX   (16u << 20)
#define SUMMARY_TRANSCRIPT_BYTES_MAX   (256 << 10) /* an hour of talk has a quarter of that */
#define SUMMARY_TURN_BYTES_MAX         4096        /* of one turn: the rest adds little */
#define SUMMARY_QUOTE_BYTES_MAX        200         /* of a turn, in a summary made by rules */
#define SUMMARY_TEXT_BYTES_MAX         1000        /* of a summary, topic or follow-up */
#define SUMMARY_ITEM_BYTES_MAX         256         /* of an item's id; an engine's has about 30 */
#define SUMMARY_POINTS_MAX             16          /* topics; follow-ups; turns of each */
#define SUMMARY_DEADLINE_MS            60000       /* nobody listens: it may take its time */
#define SUMMARY_TOKENS_MAX             1500        /* of a model's answer */
#define SUMMARY_JSON_BYTES_MAX         (1 << 20)   /* 33 texts as JSON, with 16 items each */
#define SESSION_INSTRUCTIONS_BYTES_MAX 32768       /* the agent's instructions */
#define SESSION_TOOLS_BYTES_MAX        16384       /* tool definitions */
#define TOOL_OUTPUT_BYTES_MAX          8192        /* what a tool may tell the engine */

/* -- api -- */
#define API_ANSWER_BYTES_MAX    65536        /* health, metrics, the status page */
#define DIAL_PLAYOUT_BYTES_MAX  (8 * 600000) /* 10 minutes the agent may be ahead */
#define DIAL_MARKS_MAX          8192         /* outstanding: one every 100 ms of that and more */
#define DIAL_STEPS_MAX          200          /* utterances of one call */
#define DIAL_CALLS_MAX          2000         /* at once */
#define DIAL_SECONDS_MAX        14400        /* of one call: Twilio's own limit */
#define DIAL_DOCUMENTS_MAX      16           /* TwiML documents of one call; more is a loop */
#define DIAL_LINE_MESSAGES_MAX  20000        /* under way on a delayed line */
#define DIAL_CLEARS_MAX         256          /* told one by one */
#define DIAL_SAYS_MAX           16           /* texts the carrier was told to say */
#define DIAL_WEBHOOK_TIMEOUT_MS 15000        /* Twilio's own */
#define DIAL_RETRY_WAIT_MS      250          /* before a webhook is asked again; then doubled */
#define DIAL_BREAKS_MAX         16           /* streams that broke, told one by one */
#define DIAL_LATE_TICKS_MAX     50           /* frames caught up with after a pause of ours */

/* -- local engine -- */
#define LOCAL_TEXT_BYTES_MAX   16384      /* one thing said, asked or found */
#define LOCAL_ITEMS_MAX        512        /* of a conversation; the oldest are forgotten */
#define LOCAL_TURNS_MAX        8          /* of the caller waiting for recognition */
#define LOCAL_WANTS_MAX        8          /* out-of-band responses waiting for their turn */
#define LOCAL_EVENTS_BYTES_MAX (8u << 20) /* server events not yet taken: a long answer */
#define LOCAL_MODELS_MAX       64         /* vocabularies kept ready */
#define LOCAL_SPEECH_BYTES_MAX (4u << 20) /* one sentence as audio/pcm at 24 kHz */
#define LOCAL_EVENT_BYTES_MAX  (1u << 20) /* one server event, or one client event */
#define LOCAL_RETRY_MS         20         /* after the workers' queue was full */
#define LOCAL_GUESS_AFTER_MS   240   /* of quiet: what was said is looked into before its end */
#define LOCAL_GUESSES_MAX      4     /* a turn; each one that was wrong searches it again */
#define LOCAL_GUESS_MS_MAX     12000 /* longer turns are not guessed at */
#define LOCAL_SOUNDS_BYTES_MAX (16u << 20) /* sentences kept as audio, in a process */
#define LOCAL_SOUNDS_MAX       512         /* the same, counted: they are searched one by one */
#define LOCAL_PREFIX_MS_MAX    1000        /* audio kept from before a turn */

/* -- app -- */
#define CERTS_LOOK_MS         10000 /* between looks whether the certificate has changed */
#define DRAIN_LOOK_MS         100   /* between looks at what is still going on */
#define DRAIN_QUIET_MS        2000  /* for the carrier to ask about a call that has just ended */
#define DRAIN_GOODBYE_MS      20000 /* for goodbyes when the limit is reached */
#define WORKER_LIVE_QUEUE_MAX 1024  /* prompts, hearing, speaking: a listener waits for each */
#define WORKER_BACK_QUEUE_MAX 4096  /* reads of the database and the rest */
#define NOTIFY_BYTES_MAX      1024  /* one message to the supervisor */
#define NOTIFY_WAIT_MS        200   /* for a supervisor that does not read */

_Static_assert(CALL_PLAY_BYTES_MAX % 160 == 0, "the carrier is sent whole 20 ms frames");
_Static_assert(CALL_MARK_BYTES <= CALL_PLAY_BYTES_MAX, "every full piece has its mark");

#endif
