//! oslo.messaging's options.

use oslo::config::{Kind, Opt};

use super::why::NO_NOTIFICATIONS;

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("oslo_messaging_kafka", "compression_codec", Kind::Str)
        .default("none")
        .choices(&["none", "gzip", "snappy", "lz4", "zstd"])
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "consumer_group", Kind::Str)
        .default("oslo_messaging_consumer")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "enable_auto_commit", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "kafka_consumer_timeout", Kind::FLOAT)
        .default("1.0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "kafka_max_fetch_bytes", Kind::INT)
        .default("1048576")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "max_poll_records", Kind::INT)
        .default("500")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "producer_batch_size", Kind::INT)
        .default("16384")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "producer_batch_timeout", Kind::FLOAT)
        .default("0.0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "sasl_mechanism", Kind::Str)
        .default("PLAIN")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "security_protocol", Kind::Str)
        .default("PLAINTEXT")
        .choices(&["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"])
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "ssl_cafile", Kind::Str).default("").ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "ssl_client_cert_file", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "ssl_client_key_file", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_kafka", "ssl_client_key_password", Kind::Secret)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_notifications", "driver", Kind::MultiStr).ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_notifications", "retry", Kind::INT)
        .default("-1")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_notifications", "topics", Kind::List)
        .default("notifications")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_notifications", "transport_url", Kind::Secret)
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "amqp_auto_delete", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "amqp_durable_queues", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "conn_pool_min_size", Kind::INT)
        .default("2")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "conn_pool_ttl", Kind::INT)
        .default("1200")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "direct_mandatory_flag", Kind::Bool)
        .default("true")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "enable_cancel_on_failover", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "heartbeat_rate", Kind::INT)
        .default("3")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "heartbeat_timeout_threshold", Kind::INT)
        .default("60")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "hostname", Kind::Str).ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "kombu_compression", Kind::Str).ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "kombu_failover_strategy", Kind::Str)
        .default("round-robin")
        .choices(&["round-robin", "shuffle"])
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "kombu_missing_consumer_retry_timeout", Kind::INT)
        .default("60")
        .deprecated(&[("oslo_messaging_rabbit", "kombu_reconnect_timeout")])
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "kombu_reconnect_delay", Kind::Float { min: 0.0, max: 4.5 })
        .default("1.0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new(
        "oslo_messaging_rabbit",
        "kombu_reconnect_splay",
        Kind::Float { min: 0.0, max: f64::MAX },
    )
    .default("0.0")
    .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "processname", Kind::Str).ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_ha_queues", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_interval_max", Kind::at_least(1))
        .default("30")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_login_method", Kind::Str)
        .default("AMQPLAIN")
        .choices(&["PLAIN", "AMQPLAIN", "EXTERNAL", "RABBIT-CR-DEMO"])
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_qos_prefetch_count", Kind::INT)
        .default("0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_quorum_delivery_limit", Kind::INT)
        .default("0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_quorum_max_memory_bytes", Kind::INT)
        .default("0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_quorum_max_memory_length", Kind::INT)
        .default("0")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_quorum_queue", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_retry_backoff", Kind::at_least(0))
        .default("2")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_retry_interval", Kind::at_least(1))
        .default("1")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_stream_fanout", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_transient_queues_ttl", Kind::at_least(0))
        .default("1800")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rabbit_transient_quorum_queue", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "rpc_conn_pool_size", Kind::at_least(1))
        .default("30")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl", Kind::Bool).default("false").ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_ca_file", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_cert_file", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_enforce_fips_mode", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_enforce_hostname_verification", Kind::Bool)
        .default("true")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_key_file", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "ssl_version", Kind::Str)
        .default("")
        .ignored(NO_NOTIFICATIONS),
    Opt::new("oslo_messaging_rabbit", "use_queue_manager", Kind::Bool)
        .default("false")
        .ignored(NO_NOTIFICATIONS),
];
