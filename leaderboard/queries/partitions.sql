-- The position of every partition of the provisioned topic.
SELECT pipeline.topic, progress.kafka_partition, progress.next_offset
FROM pipeline
JOIN progress ON progress.topic_id = pipeline.topic_id
ORDER BY progress.kafka_partition
