-- Where every partition of the provisioned topic stands.
SELECT pipeline.topic, progress.kafka_partition, progress.next_offset
FROM pipeline
JOIN progress ON progress.topic_id = pipeline.topic_id
ORDER BY progress.kafka_partition
