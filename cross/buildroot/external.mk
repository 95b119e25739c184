include $(sort $(wildcard $(BR2_EXTERNAL_TOKEND_PATH)/package/*/*.mk))
